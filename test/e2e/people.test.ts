import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { loadConfig, type Config } from '../../lib/config.ts';
import type { Logger } from '../../lib/log.ts';
import { freePorts } from '../../scripts/dev/kafka.ts';
import { fillDatabaseFolder } from '../support/database-folder.ts';
import { startEmbedded, stopServers } from '../support/embedded.ts';
import { KnownSecrets } from '../support/known-secrets.ts';
import { OpenIdServer } from '../support/openid-provider.ts';
import { boardScenarios } from '../support/people/scenarios.ts';
import { remembersEnded } from '../support/people/sessions.ts';
import { PeopleStage } from '../support/people/stage.ts';
import { renewsTokens } from '../support/people/tokens.ts';
import { startServerProcess } from '../support/start-process.ts';
import { waitFor } from '../support/wait.ts';

/** So that one ends while a test looks; a quarter of it is there to renew one, on a busy machine as well. */
const TOKEN_SECONDS = 12;

const secrets = new KnownSecrets();
/** Everything that is logged, on every level. */
const logged: string[] = [];
const note = (fields: Record<string, unknown>, message: string) => {
  const { err, ...rest } = fields;
  logged.push(`${message} ${JSON.stringify(rest)} ${inspect(err, { depth: 10, showHidden: true })}`);
};
const logger: Logger = { debug: note, info: note, warn: note, error: note, child: () => logger };

let provider: OpenIdServer;
let accounts: Pick<Config, 'auth' | 'authProviders' | 'guessesPerMinute'>;
let stage: PeopleStage;
/** Of the server that is killed. */
let port: number;
/** Of the server whose tokens live for seconds: others would see people go whose token comes late. */
let briefPort: number;
let dataDir: string;

beforeAll(async () => {
  provider = await OpenIdServer.start();
  const { authProviders } = loadConfig({ AUTH_PROVIDERS: provider.settings });
  accounts = { auth: 'accounts', authProviders, guessesPerMinute: 0 };
  const server = await startEmbedded(accounts, { logger });
  [port, briefPort] = (await freePorts(2)) as [number, number];
  dataDir = await mkdtemp(join(tmpdir(), 'ykafka-people-'));
  provider.serve(server.url, ...[port, briefPort].map((each) => `http://127.0.0.1:${each}`));
  secrets.add('the provider’s secret', authProviders[0]!.clientSecret);
  stage = new PeopleStage({ urls: [server.url, server.url], provider, secrets, observer: server.runtime });
});

afterEach(() => stage.close());

afterAll(async () => {
  await stopServers();
  await provider.stop();
  await rm(dataDir, { recursive: true, force: true });
});

describe('people and their boards, from the sign-in on', () => {
  it.each(Object.entries(boardScenarios))('%s', (_name, scenario) => scenario(stage));

  it('without a token there is no connection; one that ends is renewed, or it is closed and nothing is lost', async () => {
    const config = { ...accounts, port: briefPort, accessTokenSeconds: TOKEN_SECONDS };
    const { url, runtime } = await startEmbedded(config, { logger });
    const brief = new PeopleStage({ ...stage.parts, urls: [url, url], observer: runtime });
    try {
      await renewsTokens(brief);
    } finally {
      brief.close();
    }
  });

  it('when the server is killed and comes again, everybody is there again, once, and no session that had ended', async () => {
    await fillDatabaseFolder(dataDir);
    const env = {
      AUTH: 'accounts',
      AUTH_PROVIDERS: provider.settings,
      YKAFKA_GUESSES_PER_MINUTE: '0',
      YKAFKA_LOG_LEVEL: 'debug',
    };
    const server = await startServerProcess({ dataDir, port, env });
    const there = new PeopleStage({ ...stage.parts, urls: [server.url, server.url] });
    try {
      const people = await there.signInMany('person', 3);
      const boardId = await there.board(people[0]!, ...people.slice(1));
      const ids = people.map(({ userId }) => userId);
      // One has two tabs.
      const editors = [...people, people[0]!].map((person) => there.edit(person, boardId));
      const isTold = (what: string, times: number) =>
        waitFor(() => editors.every((editor) => ids.every((id) => editor.count(what + id) === times)), {
          timeoutMs: 30_000,
          what: `${what}, ${times} times`,
        });
      await isTold('+', 1);
      await remembersEnded(there, async () => {
        await server.kill();
        // Whose own connection has gone knows of nobody.
        await isTold('-', 1);
        await startEmbedded({ ...accounts, dataDir, port }, { logger });
      });
      await isTold('+', 2);
      for (const editor of editors) await editor.synced(30_000);
      editors[0]!.manager.presence.update({ cursor: { x: 7, y: 7 } });
      await waitFor(() => editors.every(({ people }) => people.get(ids[0]!)?.cursor?.x === 7));
      for (const editor of editors) {
        expect([...editor.people.keys()].sort()).toEqual([...ids].sort());
        expect(editor.told).toHaveLength(3 * ids.length);
      }
    } finally {
      there.close();
      await server.kill();
      logged.push(...server.output().split('\n'));
    }
  });
});

it('nothing of all this is in the log: no token, no cookie, no address, no word', () => {
  expect([logged.length > 10, secrets.size > 50]).toEqual([true, true]);
  expect(secrets.foundIn(logged)).toEqual([]);
  expect(logged.join('\n')).not.toMatch(/eyJ[\w-]{10}|@example\.test/i);
});
