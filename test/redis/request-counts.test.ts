import { afterEach, describe, expect, it } from '@jest/globals';
import { createClient } from 'redis';
import { systemClock as clock } from '../../lib/clock.ts';
import { RedisCounts } from '../../lib/http/redis-counts.ts';
import { RequestLimit } from '../../lib/http/request-limit.ts';
import { silentLogger, type Logger } from '../../lib/log.ts';
import { startRedis, type RunningRedis } from '../../scripts/dev/redis.ts';
import { Stopwatch } from '../support/stopwatch.ts';
import { waitFor } from '../support/wait.ts';

const PER_MINUTE = 5;
/** Times that it is tried while Redis is slower than it is waited for. */
const TRIES = 10;

let redis: RunningRedis;
const counts: RedisCounts[] = [];
const complaints: string[] = [];
const logger: Logger = { ...silentLogger, warn: (_fields, message) => void complaints.push(message) };

function openGateway(): RequestLimit {
  const each = new RedisCounts({ url: redis.url, clock, logger });
  counts.push(each);
  return new RequestLimit(PER_MINUTE, each.count({ prefix: 'test:guesses', perMinute: PER_MINUTE }));
}

/** How many of so many guesses of an address are let through, by turns at each gateway. */
async function letThrough(
  gateways: readonly RequestLimit[],
  guesses: number,
  address = '192.0.2.7',
): Promise<number> {
  let taken = 0;
  for (let n = 0; n < guesses; n++)
    taken += await gateways[n % gateways.length]!.take(address).then(
      () => 1,
      () => 0,
    );
  return taken;
}

/** All that it does is counted in Redis; else, when the machine stood still, it is done again with another address. */
async function undisturbed(work: (address: string) => Promise<void>): Promise<void> {
  for (let tries = 1; ; tries++) {
    complaints.length = 0;
    try {
      return await work(`192.0.2.${100 + tries}`);
    } catch (error) {
      if (complaints.length === 0 || tries === TRIES) throw error;
    }
  }
}

/** Both count in Redis: the first guesses may come before the connection is open. */
async function connected(gateways: readonly RequestLimit[]): Promise<void> {
  const reader = await createClient({ url: redis.url }).connect();
  try {
    let look = 0;
    await waitFor(async () => {
      // Others at each look: what a gateway has refused by itself does not come to Redis.
      look++;
      for (const [n, gateway] of gateways.entries()) await gateway.take(`2001:db8::${look}:${n}`);
      return (await reader.keys(`*:2001:db8::${look}:*`)).length === gateways.length;
    });
  } finally {
    await reader.close();
  }
}

afterEach(async () => {
  await Promise.all(counts.splice(0).map((count) => count.stop()));
  await redis.stop();
  complaints.length = 0;
});

describe('requests that are counted at several gateways with one Redis', () => {
  it('are counted together, and the time to wait is told', async () => {
    redis = await startRedis();
    const [here, there] = [openGateway(), openGateway()];
    await connected([here, there]);
    await undisturbed(async (address) => {
      expect(await letThrough([here, there], 2 * PER_MINUTE, address)).toBe(PER_MINUTE);
      await expect(there.take(address)).rejects.toMatchObject({ type: 'RATE_LIMITED' });
      const waitMs = await there
        .take(address)
        .catch((error: { data: { retryAfterMs: number } }) => error.data.retryAfterMs);
      expect(waitMs).toBeGreaterThan(1_000);
      expect(waitMs).toBeLessThanOrEqual(60_000);
      await here.take(`${address}9`);
      // Something else that is counted over the same connection.
      await counts[0]!.count({ prefix: 'test:other', perMinute: PER_MINUTE }).waitMs(address);
      expect(await counts[0]!.count({ prefix: 'test:other', perMinute: 2 }).waitMs(address)).toBe(0);
    });
  });

  it('are counted by each gateway while Redis hangs or is away, and nobody waits for it', async () => {
    redis = await startRedis();
    const [here, there] = [openGateway(), openGateway()];
    await connected([here, there]);
    redis.signal('SIGSTOP');
    const before = performance.now();
    const took = new Stopwatch();
    expect(await letThrough([here, there], 4)).toBe(4);
    expect(took.stop()).toBeLessThan(10_000);
    await redis.stop();
    const more = (await letThrough([here, there], 4 * PER_MINUTE)) - (2 * PER_MINUTE - 4);
    // Each gateway allows one more whenever its part of a minute has passed.
    const parts = (performance.now() - before) / (60_000 / PER_MINUTE);
    expect(more).toBeGreaterThanOrEqual(0);
    expect(more).toBeLessThanOrEqual(2 * Math.floor(parts));
    await there.take('192.0.2.9');
    expect(new Set(complaints)).toEqual(
      new Set(['redis does not answer; each gateway counts requests for itself']),
    );
  });
});
