import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { startRedis, type RunningRedis } from '../../scripts/dev/redis.ts';
import { outlivesDrain } from '../support/outlives-drain.ts';
import { outlivesGateway } from '../support/people/gateway-death.ts';
import { outlivesOutage } from '../support/people/outage.ts';
import { PeopleCluster } from '../support/people/people-cluster.ts';
import { meet } from '../support/people/sharing.ts';

jest.setTimeout(900_000);

describe('people on a cluster of two gateways that keep them in Redis', () => {
  let redis: RunningRedis;
  let people: PeopleCluster;

  beforeAll(async () => {
    redis = await startRedis();
    people = await PeopleCluster.start({ env: { REDIS_URL: redis.url, YKAFKA_LOG_LEVEL: 'debug' } });
  });
  afterEach(() => people?.stage.close());
  afterAll(async () => {
    await people?.stop();
    await redis?.stop();
  });

  it('who is invited signs in and accepts: both edit, and each sees the other come, point and go', () =>
    meet(people.stage));

  it('a gateway that is killed with 20 people on a board: the others see each leave once, and come back once', async () => {
    await outlivesGateway(people.stage, () => people.kill('gateway-1'));
    await people.cluster.restart('gateway-1');
  });

  it('two gateways that are stopped in order, one after the other: nobody is seen to leave who comes back', () =>
    outlivesDrain({ REDIS_URL: redis.url }));

  it('a Redis that hangs for 12 s is not taken for everybody’s death', () =>
    outlivesOutage(people.stage, {
      stop: () => Promise.resolve(redis.signal('SIGSTOP')),
      start: () => Promise.resolve(redis.signal('SIGCONT')),
    }));

  it('nothing of all this is in the logs, on debug either: no token, no cookie, no address, no word', () => {
    people.stage.close();
    expect([people.lines.length > 200, people.stage.parts.secrets.size > 100]).toEqual([true, true]);
    expect(people.leaks()).toEqual([]);
  });
});
