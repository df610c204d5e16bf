import { afterAll, afterEach, describe, expect, it } from '@jest/globals';
import * as Y from 'yjs';
import type { DocumentId } from '../../lib/protocol/ids.ts';
import { ProtocolManager } from '../../lib/provider/index.ts';
import type { DeliveredRecord } from '../../lib/stream/port.ts';
import { dyingLog, keptLines } from '../support/dying-log.ts';
import { startEmbedded, stopServers, type TestServer } from '../support/embedded.ts';
import { waitFor } from '../support/wait.ts';

const ROOM = 'room';
const LIMIT_MS = 120_000;
/** What a slow machine does to pings and appends is not the subject. */
const PATIENT = { pingTimeoutMs: 60_000, appendTimeoutMs: 60_000 };
const managers: ProtocolManager[] = [];

afterEach(() => {
  for (const manager of managers.splice(0)) manager.destroy();
});
afterAll(() => stopServers());

async function client(url: string) {
  const manager = new ProtocolManager({ url, roomId: ROOM });
  managers.push(manager);
  const doc = new Y.Doc();
  const acked: number[] = [];
  const statuses: string[] = [];
  manager.on('acked', ({ version }) => acked.push(version));
  manager.addDoc(doc, { docId: 'doc' });
  await waitFor(() => manager.documentState('doc')?.isSynced, { timeoutMs: LIMIT_MS });
  manager.on('status', ({ status }) => statuses.push(status));
  return { manager, acked, statuses, text: doc.getText('t') };
}

async function recordsOf(server: TestServer): Promise<DeliveredRecord[]> {
  const { tenant } = server.runtime.config;
  const target = server.runtime.topics.target('doc', { tenantId: tenant, roomId: ROOM });
  const log = await server.runtime.stream();
  const toOffset = await log.endOffset(target);
  return (await log.read({ ...target, fromOffset: 0, toOffset, maxBytes: Infinity })).records;
}

async function storedVersions(server: TestServer): Promise<number[]> {
  const document: DocumentId = { tenantId: server.runtime.config.tenant, roomId: ROOM, docId: 'doc' };
  const versions: number[] = [];
  for await (const row of (await server.runtime.store()).exportHistory(document))
    if (row.repeatOf === undefined) versions.push(row.clientVersion);
  return versions;
}

const isReady = async ({ url }: TestServer) => (await fetch(`${url}/health/ready`)).status === 200;

describe('the thread of the embedded log dies while somebody types', () => {
  it(
    'nobody reloads: everything that was acked is there, typing goes on, and nothing is doubled',
    async () => {
      const { lines, logger } = keptLines();
      // Only commits of what is typed come in number: others of the start are a few.
      const log = dyingLog([
        { kind: 'commit', count: 15, when: 'after' },
        { kind: 'commit', count: 10, when: 'before' },
        { kind: 'commit', count: 10, when: 'after', how: 'throw' },
      ]);
      const server = await startEmbedded(PATIENT, { openLogFile: log.openFile, logger });
      const [ann, bob] = [await client(server.url), await client(server.url)];
      const letters: string[] = [];
      const type = async () => {
        letters.push(String.fromCharCode(97 + (letters.length % 26)));
        ann.text.insert(ann.text.length, letters.at(-1)!);
        await waitFor(() => bob.text.length === letters.length, { timeoutMs: LIMIT_MS });
      };
      // Each letter is a commit at least: by then the last of the three has died.
      while (log.opened < 4) await type();
      await waitFor(() => isReady(server), { timeoutMs: LIMIT_MS });
      await type();
      await waitFor(() => !ann.manager.hasUnackedChanges, { timeoutMs: LIMIT_MS });

      const versions = letters.map((_, at) => at + 1);
      expect(bob.text.toString()).toBe(letters.join(''));
      expect(ann.acked).toEqual(versions);
      expect([ann.statuses, bob.statuses]).toEqual([[], []]); // the connections have stayed
      const { text } = await client(server.url);
      expect(text.toString()).toBe(letters.join(''));
      const records = await recordsOf(server);
      expect(records.map(({ headers }) => Number(headers['c']))).toEqual(versions);
      expect(records.map(({ offset }) => offset)).toEqual(versions.map((version) => version - 1));
      await waitFor(async () => (await storedVersions(server)).length >= versions.length, {
        timeoutMs: LIMIT_MS,
      });
      expect(await storedVersions(server)).toEqual(versions);
      const ofThread = lines.filter((line) => /thread of the embedded log|embedded log is back/.test(line));
      expect(ofThread).toHaveLength(6);
    },
    2 * LIMIT_MS,
  );

  it(
    'is not ready while it is away, and takes what was typed meanwhile when it is back',
    async () => {
      const log = dyingLog([{ kind: 'commit', count: 15, when: 'after' }]);
      const server = await startEmbedded(PATIENT, { openLogFile: log.openFile, logger: keptLines().logger });
      const ann = await client(server.url);
      expect(await isReady(server)).toBe(true);
      const release = log.hold();
      let typed = '';
      const typeUntilItDies = () => {
        ann.text.insert(ann.text.length, 'x');
        typed += 'x';
        return log.opened === 2;
      };
      await waitFor(typeUntilItDies, { timeoutMs: LIMIT_MS });
      expect(await isReady(server)).toBe(false);
      expect(ann.manager.hasUnackedChanges).toBe(true);
      release();
      await waitFor(() => isReady(server), { timeoutMs: LIMIT_MS });
      await waitFor(() => !ann.manager.hasUnackedChanges, { timeoutMs: LIMIT_MS });
      const { text } = await client(server.url);
      expect(text.toString()).toBe(typed);
    },
    2 * LIMIT_MS,
  );
});
