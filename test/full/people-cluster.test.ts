import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { startKafka, type RunningKafka } from '../../scripts/dev/kafka.ts';
import { outlivesAccounts } from '../support/people/accounts-death.ts';
import { outlivesGateway } from '../support/people/gateway-death.ts';
import { outlivesOutage } from '../support/people/outage.ts';
import { PeopleCluster } from '../support/people/people-cluster.ts';
import { purgesBoard } from '../support/people/purge.ts';
import { boardScenarios } from '../support/people/scenarios.ts';
import { revokesServiceTokens } from '../support/people/service-tokens.ts';
import { remembersEnded } from '../support/people/sessions.ts';
import { renewsTokens } from '../support/people/tokens.ts';

jest.setTimeout(900_000);

/** So that one ends while a test looks. */
const TOKEN_SECONDS = 10;

describe('people and their boards on a cluster of two gateways, which tell each other by the awareness topic', () => {
  let kafka: RunningKafka;
  let people: PeopleCluster;

  beforeAll(async () => {
    kafka = await startKafka();
    people = await PeopleCluster.start({
      kafkaBrokers: kafka.brokers,
      env: { YKAFKA_LOG_LEVEL: 'debug', YKAFKA_TEST_FAILPOINTS: '1' },
    });
  });
  afterEach(() => people?.stage.close());
  afterAll(async () => {
    await people?.stop();
    await kafka?.stop();
  });

  it.each(Object.entries(boardScenarios))('%s', (_name, scenario) => scenario(people.stage));

  it('a gateway that is killed with 20 people on a board: the others see each leave once, and come back once', async () => {
    await outlivesGateway(people.stage, () => people.kill('gateway-1'));
    await people.cluster.restart('gateway-1');
  });

  it('a service token that is revoked is closed at both gateways at once, and known to one that starts later', () =>
    revokesServiceTokens(people));

  it('a session that has ended is over at a gateway that is started later, over HTTP and at the handshake', () =>
    remembersEnded(people.stage, async () => {
      await people.kill('gateway-1');
      await people.cluster.restart('gateway-1');
    }));

  it('a Kafka that is away for 12 s is not taken for everybody’s death', () =>
    outlivesOutage(people.stage, { stop: () => kafka.kill('SIGKILL'), start: () => kafka.restart() }));

  it('without a secret of other systems nobody is told a role', async () => {
    const ada = await people.stage.signIn('ada');
    const boardId = await people.stage.board(ada);
    const { internalUrl } = people.cluster.processes.get('accounts-1')!;
    const path = `/internal/boards/${boardId}/permission?userId=${ada.userId}`;
    for (const word of ['', 'undefined', 'x'.repeat(32)]) {
      const headers = { authorization: `Internal-Secret ${word}` };
      expect((await fetch(`${internalUrl}${path}`, { headers })).status).toBe(404);
    }
  });

  it('a change of a role whose process dies by kill -9 before it is told reaches both gateways when it is back', () =>
    outlivesAccounts(people, TOKEN_SECONDS));

  it('a deleted board that nobody can restore any more is gone, by a tombstone, and nobody brings it back', () =>
    purgesBoard(people.stage, async () => {
      await people.kill('accounts-1');
      await people.restartAccounts(TOKEN_SECONDS);
    }));

  it('without a token there is no connection; one that ends is renewed, or it is closed and nothing is lost', () =>
    renewsTokens(people.stage));

  it('nothing of all this is in the logs, on debug either: no token, no cookie, no address, no word', () => {
    people.stage.close();
    expect([people.lines.length > 200, people.stage.parts.secrets.size > 200]).toEqual([true, true]);
    expect(people.leaks()).toEqual([]);
  });
});
