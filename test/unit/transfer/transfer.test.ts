import { afterEach, describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { createServer, request, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Clock } from '../../../lib/clock.ts';
import { waitFor } from '../../support/wait.ts';
import { systemClock } from '../../../lib/clock.ts';
import { createHttpTransfer, type HttpTransfer } from '../../../lib/transfer/http.ts';
import { createMemoryTransfer } from '../../../lib/transfer/memory.ts';
import type { BlobTransfer } from '../../../lib/transfer/port.ts';

const randomId = () => randomBytes(16).toString('hex');
const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

async function listen(handler: RequestListener): Promise<string> {
  const server = createServer(handler);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

interface Process {
  transfer: HttpTransfer;
  url: string;
}

/** One process with its internal listener. */
async function openProcess(
  options: { maxBytes?: number; clock?: Clock; ttlMs?: number } = {},
): Promise<Process> {
  let url = '';
  const transfer = createHttpTransfer({
    clock: systemClock,
    randomId,
    ttlMs: 10_000,
    maxBytes: 1_000_000,
    baseUrl: () => url,
    ...options,
  });
  url = await listen((incoming, response) => {
    if (!transfer.handle(incoming, response)) response.writeHead(404).end('not for it');
  });
  return { transfer, url };
}

/** A clock whose timers run when told. */
function manualClock(): Clock & { runTimers(): void } {
  const timers = new Set<() => void>();
  return {
    ...systemClock,
    setTimeout(callback) {
      timers.add(callback);
      return { cancel: () => void timers.delete(callback) };
    },
    runTimers() {
      for (const callback of [...timers]) callback();
    },
  };
}

type Pair = {
  name: string;
  open: (options?: { maxBytes?: number; clock?: Clock }) => Promise<[BlobTransfer, BlobTransfer]>;
};
const pairs: Pair[] = [
  {
    name: 'memory',
    open: async (options) => {
      const one = createMemoryTransfer({
        clock: systemClock,
        randomId,
        ttlMs: 10_000,
        maxBytes: 1_000_000,
        ...options,
      });
      return [one, one];
    },
  },
  {
    name: 'HTTP',
    open: async (options) => [(await openProcess(options)).transfer, (await openProcess()).transfer],
  },
];

describe.each(pairs)('bytes handed over by $name', ({ open }) => {
  it('arrive whole, once', async () => {
    const [owner, other] = await open();
    const bytes = randomBytes(300_000);
    const reference = owner.offer(bytes);
    expect(reference.bytes).toBe(300_000);
    expect(Buffer.from(await other.fetch(reference, 30_000)).equals(bytes)).toBe(true);
    const { content: _, ...ticket } = reference;
    await expect(other.fetch(ticket, 30_000)).rejects.toMatchObject({ type: 'SYNC_TICKET_UNKNOWN' });
  });

  it('may be none at all', async () => {
    const [owner, other] = await open();
    expect(await other.fetch(owner.offer(new Uint8Array()), 30_000)).toHaveLength(0);
  });

  it('expire', async () => {
    const clock = manualClock();
    const [owner, other] = await open({ clock });
    const reference = owner.offer(Uint8Array.of(1));
    clock.runTimers();
    await expect(other.fetch(reference, 30_000)).rejects.toMatchObject({ type: 'SYNC_TICKET_UNKNOWN' });
  });

  it('are bounded while they wait; the same memory counts once', async () => {
    const [owner, other] = await open({ maxBytes: 1_000 });
    const state = new Uint8Array(600);
    const references = [owner.offer(state), owner.offer(state), owner.offer(state)];
    expect(() => owner.offer(new Uint8Array(600))).toThrow(
      expect.objectContaining({ type: 'STREAM_BUFFER_FULL', retryable: true }),
    );
    for (const reference of references) await other.fetch(reference, 30_000);
    // A ticket that is not needed is given back without waiting for it.
    expect((await waitFor(() => owner.offer(new Uint8Array(600)))).bytes).toBe(600);
  });

  it('are in memory once, however often they are offered, as long as somebody uses them', async () => {
    const [owner, other] = await open();
    const state = randomBytes(100_000);
    const first = await Promise.all([1, 2, 3].map(() => other.fetch(owner.offer(state), 30_000)));
    const later = await other.fetch(owner.offer(state), 30_000);
    expect(later.byteLength).toBe(100_000);
    for (const bytes of first) expect(bytes).toBe(later);
    const another = await other.fetch(owner.offer(randomBytes(100_000)), 30_000);
    expect(another).not.toEqual(later);
  });

  it('are gone when the owner closes', async () => {
    const [owner, other] = await open();
    const reference = owner.offer(Uint8Array.of(1));
    await owner.close();
    await expect(other.fetch(reference, 30_000)).rejects.toMatchObject({ type: 'SYNC_TICKET_UNKNOWN' });
  });
});

describe('a fetch over HTTP', () => {
  const reference = (url: string, bytes = 3) => ({ url, ticket: 'a'.repeat(32), bytes });

  it('of the own process needs no listener', async () => {
    const transfer = createHttpTransfer({
      clock: systemClock,
      randomId,
      ttlMs: 1_000,
      maxBytes: 1_000,
      baseUrl: () => 'http://127.0.0.1:1',
    });
    expect(await transfer.fetch(transfer.offer(Uint8Array.of(1, 2)), 100)).toEqual(Uint8Array.of(1, 2));
  });

  it.each([
    ['another protocol', 'https://127.0.0.1:1'],
    ['a file', 'file:///etc/passwd'],
    ['a path', 'http://127.0.0.1:1/other'],
    ['no URL', 'nonsense'],
    ['memory of somebody else', 'memory:x'],
  ])('refuses %s', async (_, url) => {
    const { transfer } = await openProcess();
    await expect(transfer.fetch(reference(url), 1_000)).rejects.toMatchObject({ type: 'BAD_INPUT' });
  });

  it('refuses a ticket that would lead elsewhere, and hosts that are not allowed', async () => {
    const { url } = await openProcess();
    const transfer = createHttpTransfer({
      clock: systemClock,
      randomId,
      ttlMs: 1_000,
      maxBytes: 1_000,
      baseUrl: () => 'http://own:1',
      isAllowedHost: (host) => host === 'peer',
    });
    await expect(transfer.fetch(reference(url), 1_000)).rejects.toMatchObject({ type: 'BAD_INPUT' });
    await expect(
      transfer.fetch({ url: 'http://peer:1', ticket: '../../health', bytes: 1 }, 1_000),
    ).rejects.toMatchObject({ type: 'BAD_INPUT' });
  });

  it('ends at its time limit when the owner does not answer', async () => {
    const { transfer } = await openProcess();
    const url = await listen(() => undefined);
    await expect(transfer.fetch(reference(url), 200)).rejects.toMatchObject({ type: 'SERVICE_UNAVAILABLE' });
  });

  it('ends at its time limit when the bytes stop coming', async () => {
    const { transfer } = await openProcess();
    const url = await listen((_, response) => {
      response.writeHead(200, { 'content-length': 3 });
      response.write(Uint8Array.of(1));
    });
    await expect(transfer.fetch(reference(url), 200)).rejects.toMatchObject({ type: 'SERVICE_UNAVAILABLE' });
  });

  it('refuses another length than announced', async () => {
    const { transfer } = await openProcess();
    const url = await listen((_, response) => void response.end('longer than three'));
    await expect(transfer.fetch(reference(url), 1_000)).rejects.toMatchObject({
      type: 'SERVICE_UNAVAILABLE',
    });
  });

  it('says that an owner which is gone is not available', async () => {
    const { transfer } = await openProcess();
    await expect(transfer.fetch(reference('http://127.0.0.1:1'), 1_000)).rejects.toMatchObject({
      type: 'SERVICE_UNAVAILABLE',
    });
  });
});

describe('the listener', () => {
  const ask = (url: string, method: string) =>
    new Promise<number>((resolve, reject) => {
      request(url, { method, agent: false }, (response) => {
        response.resume();
        resolve(response.statusCode!);
      })
        .once('error', reject)
        .end();
    });

  it('answers unknown tickets and other methods, and leaves other paths to others', async () => {
    const { transfer, url } = await openProcess();
    const { ticket } = transfer.offer(Uint8Array.of(1));
    expect(await ask(`${url}/internal/blobs/unknown`, 'GET')).toBe(404);
    expect(await ask(`${url}/internal/blobs/${ticket}`, 'POST')).toBe(405);
    expect(await ask(`${url}/elsewhere`, 'GET')).toBe(404);
    expect(await ask(`${url}/internal/blobs/${ticket}`, 'GET')).toBe(200);
  });

  it('survives a reader that goes away in the middle', async () => {
    const { transfer, url } = await openProcess({ maxBytes: 100_000_000 });
    const { ticket } = transfer.offer(new Uint8Array(50_000_000));
    await new Promise<void>((resolve, reject) => {
      const outgoing = request(`${url}/internal/blobs/${ticket}`, { agent: false }, (response) => {
        response.once('data', () => {
          outgoing.destroy();
          resolve();
        });
      });
      outgoing.once('error', reject);
      outgoing.end();
    });
    expect(await ask(`${url}/internal/blobs/${ticket}`, 'GET')).toBe(404);
  });
});
