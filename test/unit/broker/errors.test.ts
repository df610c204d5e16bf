import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ServiceBroker } from 'moleculer';
import { createBrokerOptions } from '../../../lib/broker/options.ts';
import { loadConfig } from '../../../lib/config.ts';
import { waitFor } from '../../support/wait.ts';
import { AppError, isAppError } from '../../../lib/errors.ts';

/** Two brokers that share no memory: every call is serialised. */
function brokerOf(nodeID: string): ServiceBroker {
  const config = loadConfig({}, { logLevel: 'fatal', requestTimeoutMs: 500, namespace: 'errors-test' });
  return new ServiceBroker({ ...createBrokerOptions(config, nodeID), transporter: 'Fake' });
}

describe('calls between two nodes', () => {
  const [caller, owner] = [brokerOf('caller'), brokerOf('owner')];
  let attempts = 0;
  let release: (value: unknown) => void = () => undefined;

  beforeAll(async () => {
    owner.createService({
      name: 'things',
      actions: {
        fail: () => {
          attempts++;
          throw new AppError('STORE_UNAVAILABLE', {
            data: { table: 'none' },
            cause: new Error('internal text'),
          });
        },
        refuse: () => {
          attempts++;
          throw new AppError('NOT_FOUND');
        },
        hang: () => new Promise((resolve) => (release = resolve)),
        echo: (ctx: { params: { bytes: Uint8Array } }) => ({
          bytes: ctx.params.bytes,
          isBytes: ctx.params.bytes instanceof Uint8Array,
        }),
      },
    });
    await Promise.all([caller.start(), owner.start()]);
    await caller.waitForServices('things', 5_000);
  });
  afterAll(() => Promise.all([caller.stop(), owner.stop()]));

  it('gives a typed error its class and data back, without its cause', async () => {
    const error = await caller.call('things.fail').then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(AppError);
    expect(isAppError(error, 'STORE_UNAVAILABLE')).toBe(true);
    expect((error as AppError).data).toEqual({ table: 'none' });
  });

  it('retries what is retryable and nothing else', async () => {
    attempts = 0;
    await expect(caller.call('things.fail')).rejects.toThrow();
    expect(attempts).toBe(4);
    attempts = 0;
    await expect(caller.call('things.refuse')).rejects.toMatchObject({ type: 'NOT_FOUND' });
    expect(attempts).toBe(1);
  });

  it('keeps binary fields binary', async () => {
    const answer = await caller.call<{ bytes: Uint8Array; isBytes: boolean }, { bytes: Uint8Array }>(
      'things.echo',
      {
        bytes: new Uint8Array([0, 255, 1]),
      },
    );
    expect(answer.isBytes).toBe(true);
    expect([...answer.bytes]).toEqual([0, 255, 1]);
  });

  it('ends a call to a frozen node and keeps no context of it, which would hold up every later stop', async () => {
    // A frozen node answers nothing, not even that the time is over.
    (owner.transit as unknown as { sendResponse: () => Promise<void> }).sendResponse = () =>
      Promise.resolve();
    await expect(caller.call('things.hang', {}, { retries: 0 })).rejects.toMatchObject({
      type: 'REQUEST_TIMEOUT',
    });
    const tracked = (caller as unknown as { _trackedContexts: unknown[] })._trackedContexts;
    await waitFor(() => tracked.length === 0, { timeoutMs: 2_000 });
    release(undefined);
  });
});
