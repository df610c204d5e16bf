import { afterAll, afterEach, expect, it } from '@jest/globals';
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

it(
  'the thread of the embedded log dies while somebody types: nobody reloads, nothing is lost or doubled',
  async () => {
    const { lines, logger } = keptLines();
    const typed = { kind: 'commit', keyEnd: '/doc' } as const;
    const log = dyingLog([
      { ...typed, count: 10, when: 'after' },
      { ...typed, count: 10, when: 'before' },
      { ...typed, count: 10, when: 'after', how: 'throw' },
    ]);
    const server = await startEmbedded(PATIENT, { openLogFile: log.openFile, logger });
    const [ann, bob] = [await client(server.url), await client(server.url)];
    const letters: string[] = [];
    const type = () => {
      letters.push(String.fromCharCode(97 + (letters.length % 26)));
      ann.text.insert(ann.text.length, letters.at(-1)!);
    };
    /** Letter by letter, as others see them. */
    const typeUntilOpened = async (times: number) => {
      while (log.opened < times) {
        type();
        const isSeen = () => bob.text.length === letters.length || log.opened >= times;
        await waitFor(isSeen, { timeoutMs: LIMIT_MS });
      }
    };

    const release = log.hold();
    await waitFor(() => isReady(server), { timeoutMs: LIMIT_MS });
    await typeUntilOpened(2);
    expect(await isReady(server)).toBe(false);
    for (let n = 0; n < 5; n++) type();
    release();
    await typeUntilOpened(4);
    await waitFor(() => isReady(server), { timeoutMs: LIMIT_MS });
    type();
    await waitFor(() => !ann.manager.hasUnackedChanges, { timeoutMs: LIMIT_MS });
    await waitFor(() => bob.text.length === letters.length, { timeoutMs: LIMIT_MS });

    const records = await recordsOf(server);
    // What was sent again while its ack was on the way lies in the log twice, known as a repeat; what was typed while
    // an update was owed may have become one with it.
    const inLog = [...new Set(records.map(({ headers }) => Number(headers['c'])))];
    const versions = inLog.map((_, at) => at + 1);
    expect(versions.length).toBeGreaterThan(20);
    expect(inLog).toEqual(versions);
    expect(records.map(({ offset }) => offset)).toEqual(records.map((_, at) => at));
    expect(bob.text.toString()).toBe(letters.join(''));
    expect(ann.acked).toEqual(versions);
    expect([ann.statuses, bob.statuses]).toEqual([[], []]); // the connections have stayed
    const { text } = await client(server.url);
    expect(text.toString()).toBe(letters.join(''));
    const isStored = async () => (await storedVersions(server)).length >= versions.length;
    await waitFor(isStored, { timeoutMs: LIMIT_MS });
    expect(await storedVersions(server)).toEqual(versions);
    const ofThread = lines.filter((line) => /thread of the embedded log|embedded log is back/.test(line));
    expect(ofThread).toHaveLength(6);
  },
  2 * LIMIT_MS,
);
