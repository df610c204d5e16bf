import { afterEach, describe, expect, it } from '@jest/globals';
import { createClient } from 'redis';
import { systemClock as clock } from '../../lib/clock.ts';
import { RedisCounts } from '../../lib/http/redis-counts.ts';
import { RequestLimit } from '../../lib/http/request-limit.ts';
import { silentLogger, type Logger } from '../../lib/log.ts';
import { startRedis, type RunningRedis } from '../../scripts/dev/redis.ts';
import { waitFor } from '../support/wait.ts';

const PER_MINUTE = 5;
const ADDRESS = '192.0.2.7';

let redis: RunningRedis;
const counts: RedisCounts[] = [];
const complaints: string[] = [];
const logger: Logger = { ...silentLogger, warn: (_fields, message) => void complaints.push(message) };

function openGateway(): RequestLimit {
  const each = new RedisCounts({ url: redis.url, clock, logger });
  counts.push(each);
  return new RequestLimit(PER_MINUTE, each.count({ prefix: 'test:guesses', perMinute: PER_MINUTE }));
}

/** How many of so many guesses are let through, by turns at each gateway. */
async function letThrough(gateways: readonly RequestLimit[], guesses: number): Promise<number> {
  let taken = 0;
  for (let n = 0; n < guesses; n++)
    taken += await gateways[n % gateways.length]!.take(ADDRESS).then(
      () => 1,
      () => 0,
    );
  return taken;
}

/** Both count in Redis: the first guesses may come before the connection is open. */
async function connected(gateways: readonly RequestLimit[]): Promise<void> {
  const reader = await createClient({ url: redis.url }).connect();
  try {
    await waitFor(async () => {
      for (const [n, gateway] of gateways.entries())
        await gateway.take(`198.51.100.${n}`).catch(() => undefined); // one that has come too far is there
      return (await reader.keys('*:198.51.100.*')).length === gateways.length;
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
    expect(await letThrough([here, there], 2 * PER_MINUTE)).toBe(PER_MINUTE);
    await expect(there.take(ADDRESS)).rejects.toMatchObject({ type: 'RATE_LIMITED' });
    const waitMs = await there
      .take(ADDRESS)
      .catch((error: { data: { retryAfterMs: number } }) => error.data.retryAfterMs);
    expect(waitMs).toBeGreaterThan(1_000);
    expect(waitMs).toBeLessThanOrEqual(60_000);
    await here.take('192.0.2.8');
    // Something else that is counted over the same connection.
    await counts[0]!.count({ prefix: 'test:other', perMinute: PER_MINUTE }).waitMs(ADDRESS);
    expect(await counts[0]!.count({ prefix: 'test:other', perMinute: 2 }).waitMs(ADDRESS)).toBe(0);
  });

  it('are counted by each gateway while Redis hangs or is away, and nobody waits for it', async () => {
    redis = await startRedis();
    const [here, there] = [openGateway(), openGateway()];
    await connected([here, there]);
    redis.signal('SIGSTOP');
    const before = performance.now();
    expect(await letThrough([here, there], 4)).toBe(4);
    expect(performance.now() - before).toBeLessThan(10_000);
    await redis.stop();
    expect(await letThrough([here, there], 4 * PER_MINUTE)).toBe(2 * PER_MINUTE - 4);
    await there.take('192.0.2.9');
    expect(new Set(complaints)).toEqual(
      new Set(['redis does not answer; each gateway counts requests for itself']),
    );
  });
});
