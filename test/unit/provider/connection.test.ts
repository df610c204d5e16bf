import { describe, expect, it } from '@jest/globals';
import { Backoff } from '../../../lib/provider/backoff.ts';
import {
  ProtocolConnection,
  type ConnectionErrorEvent,
  type ConnectionOptions,
  type TransportHandlers,
} from '../../../lib/provider/index.ts';
import { SimulatedEnvironment } from './simulated-environment.ts';

/** Notes each attempt; the test decides what comes of it. */
function setup(options: Partial<ConnectionOptions> = {}) {
  const environment = new SimulatedEnvironment(7);
  const attempts: { url: string; auth: object; at: number; handlers: TransportHandlers }[] = [];
  const errors: ConnectionErrorEvent[] = [];
  const statuses: string[] = [];
  const connection = new ProtocolConnection({
    url: 'one',
    environment,
    autoConnect: false,
    transport: (url, auth, handlers) => {
      attempts.push({ url, auth, at: environment.now(), handlers });
      return { join: () => undefined, leave: () => undefined, send: () => undefined, close: () => undefined };
    },
    ...options,
  });
  connection.on('connection-error', (error) => void errors.push(error));
  connection.on('status', ({ status }) => void statuses.push(status));
  const last = () => attempts.at(-1)!.handlers;
  /** The attempt under way fails; time goes on until the next one. Returns after how long it came. */
  const failOnce = (reason: { retryAfterMs?: number } = {}) => {
    const [count, failedAt] = [attempts.length, environment.now()];
    last().onClosed({ message: 'refused', permanent: false, ...reason });
    while (attempts.length === count && environment.now() < failedAt + 60_000) environment.advance(10);
    return attempts.at(-1)!.at - failedAt;
  };
  return { environment, attempts, errors, statuses, connection, last, failOnce };
}

const tick = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('the connection', () => {
  it('tries the next url after each failure, with growing delays and jitter', () => {
    const { attempts, connection, failOnce } = setup({ url: ['one', 'two'] });
    connection.connect();
    for (let i = 0; i < 6; i++) failOnce();
    expect(attempts.map(({ url }) => url)).toEqual(['one', 'two', 'one', 'two', 'one', 'two', 'one']);
    connection.destroy();
  });

  it('spreads the delays between half and the whole of a doubling bound', () => {
    const environment = new SimulatedEnvironment(3);
    const backoff = new Backoff({ minMs: 100, maxMs: 1000, random: environment.random });
    for (const bound of [100, 200, 400, 800, 1000, 1000]) {
      const delay = backoff.nextMs();
      expect(delay).toBeGreaterThanOrEqual(bound / 2);
      expect(delay).toBeLessThan(bound);
    }
    expect(backoff.nextMs(5000)).toBeGreaterThanOrEqual(5000);
  });

  it('begins with short delays again after a connection that stood', () => {
    const { connection, last, statuses, failOnce } = setup();
    connection.connect();
    for (let i = 0; i < 5; i++) failOnce();
    last().onOpen();
    expect(failOnce()).toBeLessThanOrEqual(250);
    expect(statuses.slice(-3)).toEqual(['connected', 'disconnected', 'connecting']);
  });

  it('stops for good when the server closes with a permanent reason', () => {
    const { environment, attempts, errors, connection, last } = setup();
    connection.connect();
    last().onOpen();
    last().onCloseNotice({ code: 'REPEATED_OFFENDER', message: 'Too many.', permanent: true });
    last().onClosed({ message: 'io server disconnect', permanent: false });
    environment.advance(60_000);
    expect(attempts).toHaveLength(1);
    expect(connection.status).toBe('closed');
    expect(errors).toMatchObject([{ code: 'REPEATED_OFFENDER', permanent: true }]);
  });

  it('comes back after a transient close', () => {
    const { environment, attempts, connection, last } = setup();
    connection.connect();
    last().onOpen();
    last().onCloseNotice({ code: 'SERVER_STOPPING', message: 'Stopping.', permanent: false });
    last().onClosed({ message: 'io server disconnect', permanent: false });
    environment.advance(1000);
    expect(attempts).toHaveLength(2);
  });

  it('comes back no sooner than the server asks, after a close and after a refused handshake', () => {
    const { connection, last, failOnce } = setup();
    connection.connect();
    last().onOpen();
    const notice = { code: 'SERVER_STOPPING', message: 'Stopping.', permanent: false } as const;
    last().onCloseNotice({ ...notice, retryAfterMs: 3000 });
    const delays = [failOnce(), failOnce({ retryAfterMs: 2000 }), failOnce()];
    expect(delays[0]).toBeGreaterThanOrEqual(3000);
    expect(delays[0]).toBeLessThan(3300);
    expect(delays[1]).toBeGreaterThanOrEqual(2000);
    expect(delays[2]).toBeLessThanOrEqual(1000);
    connection.destroy();
  });

  it('gives up a gateway that takes connections and never answers: soon at first, later after the whole limit', () => {
    const { environment, attempts, errors, connection } = setup({
      url: ['hangs', 'lives'],
      connectTimeoutMs: 8000,
    });
    connection.connect();
    environment.advance(2300);
    expect(attempts.map(({ url }) => url)).toEqual(['hangs', 'lives']);
    attempts.at(-1)!.handlers.onOpen();
    environment.advance(60_000);
    expect(connection.status).toBe('connected');
    expect(errors).toMatchObject([{ code: 'CONNECT_FAILED', message: 'timeout', url: 'hangs' }]);
    connection.destroy();
    const other = setup({ connectTimeoutMs: 8000 });
    other.connection.connect();
    other.environment.advance(60_000);
    const gaps = other.attempts.slice(1).map(({ at }, i) => at - other.attempts[i]!.at);
    expect(gaps[0]).toBeLessThanOrEqual(2250);
    expect(gaps[2]).toBeGreaterThanOrEqual(8000);
    other.connection.destroy();
  });

  it('asks a function for the urls before each attempt, and tries what it names in turn', async () => {
    const answers = [['a', 'b'], ['a', 'b'], 'c', new Error('no discovery'), ['a', 'b']];
    const { attempts, errors, connection, last, environment } = setup({
      url: () => {
        const answer = answers.shift()!;
        if (answer instanceof Error) throw answer;
        return Promise.resolve(answer);
      },
    });
    connection.connect();
    await tick();
    for (let i = 0; i < 3; i++) {
      last().onClosed({ message: 'refused', permanent: false });
      environment.advance(1100);
      await tick();
    }
    environment.advance(4000);
    await tick();
    expect(attempts.map(({ url }) => url)).toEqual(['a', 'b', 'c', 'a']);
    expect(errors.map(({ code }) => code)).toContain('URL_FAILED');
    connection.destroy();
  });

  it('asks for a fresh token at each attempt, once more after a refusal, and then gives up', async () => {
    let count = 0;
    const { environment, attempts, errors, connection, last } = setup({
      getToken: () => Promise.resolve(`token ${++count}`),
    });
    const refuse = () => last().onClosed({ code: 'UNAUTHENTICATED', message: 'expired', permanent: true });
    connection.connect();
    await tick();
    last().onOpen();
    refuse();
    environment.advance(1000);
    await tick();
    refuse();
    environment.advance(60_000);
    await tick();
    expect(attempts.map(({ auth }) => auth)).toEqual([{ token: 'token 1' }, { token: 'token 2' }]);
    expect(errors.map(({ permanent }) => permanent)).toEqual([false, true]);
    expect(connection.status).toBe('closed');
    connection.connect();
    await tick();
    expect(attempts).toHaveLength(3);
  });

  it('reports a token that cannot be had, and tries again', async () => {
    let count = 0;
    const { environment, attempts, errors, connection } = setup({
      getToken: () => {
        if (++count === 1) throw new Error('offline');
        return 'token';
      },
    });
    connection.connect();
    await tick();
    expect(errors).toMatchObject([{ code: 'TOKEN_FAILED', permanent: false }]);
    environment.advance(1000);
    await tick();
    expect(attempts.map(({ auth }) => auth)).toEqual([{ token: 'token' }]);
  });

  it('does not connect by itself once it has been ended', () => {
    const { environment, attempts, connection } = setup({ autoConnect: true });
    connection.destroy();
    environment.advance(1000);
    expect(attempts).toEqual([]);
  });

  it('hears nothing of an attempt that was given up', () => {
    const { connection, attempts, statuses } = setup();
    connection.connect();
    connection.disconnect();
    attempts[0]!.handlers.onOpen();
    expect(connection.status).toBe('closed');
    expect(statuses).toEqual(['connecting', 'closed']);
  });

  it('a listener that throws does not stop the protocol', async () => {
    const { connection, last } = setup();
    const surfaced: unknown[] = [];
    const original = globalThis.queueMicrotask;
    globalThis.queueMicrotask = (callback) => {
      try {
        callback();
      } catch (error) {
        surfaced.push(error);
      }
    };
    connection.on('status', () => {
      throw new Error('of the application');
    });
    connection.connect();
    last().onOpen();
    globalThis.queueMicrotask = original;
    expect(connection.status).toBe('connected');
    expect(surfaced).toHaveLength(2);
  });
});
