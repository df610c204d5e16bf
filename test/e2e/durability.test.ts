import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from '@jest/globals';
import * as Y from 'yjs';
import { ProtocolManager } from '../../lib/provider/index.ts';
import type { DocumentId } from '../../lib/protocol/ids.ts';
import type { HistoryRow } from '../../lib/store/port.ts';
import type { Stream } from '../../lib/stream/port.ts';
import { freePorts } from '../../scripts/dev/kafka.ts';
import { startEmbedded, stopServers, type TestServer } from '../support/embedded.ts';
import { waitFor } from '../support/wait.ts';

const folders: string[] = [];
const managers: ProtocolManager[] = [];
afterEach(() => {
  for (const manager of managers.splice(0)) manager.destroy();
});
afterAll(async () => {
  await stopServers();
  await Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true })));
});

async function place() {
  const dataDir = await mkdtemp(join(tmpdir(), 'ykafka-durability-'));
  folders.push(dataDir);
  const [port] = (await freePorts(1)) as [number];
  return { dataDir, port };
}

function client(url: string, roomId: string) {
  const doc = new Y.Doc();
  const manager = new ProtocolManager({ url, roomId, reconnectMinMs: 20, reconnectMaxMs: 200 });
  managers.push(manager);
  const acked: number[] = [];
  manager.on('acked', ({ version }) => acked.push(version));
  manager.addDoc(doc, { docId: 'doc' });
  return {
    doc,
    text: doc.getText('t'),
    manager,
    acked,
    isSynced: () => manager.documentState('doc')?.isSynced === true,
  };
}

async function historyOf(server: TestServer, roomId: string): Promise<HistoryRow[]> {
  const document: DocumentId = { tenantId: server.runtime.config.tenant, roomId, docId: 'doc' };
  const rows: HistoryRow[] = [];
  for await (const row of (await server.runtime.store()).exportHistory(document)) rows.push(row);
  return rows;
}

/** The log goes on, but from a moment on this gateway hears nothing of it: as if it had died before it could ack. */
function deafable() {
  let isDeaf = false;
  const wrapStream = (stream: Stream): Stream =>
    new Proxy(stream, {
      get(target, name) {
        const value = Reflect.get(target, name) as unknown;
        if (name === 'follow') {
          const follow: Stream['follow'] = (request) =>
            target.follow({ ...request, onBatch: (batch) => (isDeaf ? undefined : request.onBatch(batch)) });
          return follow;
        }
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
  return { wrapStream, becomeDeaf: () => (isDeaf = true) };
}

describe('a gateway that dies after the append and before the ack', () => {
  it('loses nothing, acks by the next join, and nothing has two payload rows', async () => {
    const where = await place();
    const ears = deafable();
    let server = await startEmbedded(where, ears);
    const ann = client(server.url, 'room');
    await waitFor(ann.isSynced);
    ann.text.insert(0, 'heard ');
    await waitFor(() => !ann.manager.hasUnackedChanges);
    ears.becomeDeaf();
    const target = server.runtime.topics.target('doc', {
      tenantId: server.runtime.config.tenant,
      roomId: 'room',
    });
    const log = await server.runtime.stream();
    const before = await log.endOffset(target);
    ann.text.insert(ann.text.length, 'unheard');
    await waitFor(async () => (await log.endOffset(target)) > before, { what: 'the update is in the log' });
    expect(ann.manager.hasUnackedChanges).toBe(true);

    await server.stop();
    server = await startEmbedded(where);
    await waitFor(() => !ann.manager.hasUnackedChanges, { what: 'the update is settled' });
    expect(new Set(ann.acked)).toEqual(new Set([1, 2]));
    const bob = client(server.url, 'room');
    await waitFor(bob.isSynced);
    expect(bob.text.toString()).toBe('heard unheard');
    const rows = await waitFor(async () => {
      const found = await historyOf(server, 'room');
      return found.length >= 2 ? found : undefined;
    });
    const payloads = rows.filter((row) => row.repeatOf === undefined).map((row) => row.clientVersion);
    expect(payloads).toEqual([1, 2]);
  });
});

describe('rooms with a topic of their own', () => {
  it('are made while the server runs, are stored, and are there after a restart', async () => {
    const where = await place();
    const settings = { ...where, topicPattern: 'yjs-{channel}-{room}', topicPollMs: 200 };
    let server = await startEmbedded(settings);
    const rooms = ['plain', 'with / and ü'];
    for (const room of rooms) {
      const ann = client(server.url, room);
      const bob = client(server.url, room);
      await waitFor(() => ann.isSynced() && bob.isSynced());
      ann.text.insert(0, room);
      await waitFor(() => bob.text.toString() === room && !ann.manager.hasUnackedChanges);
      await waitFor(async () => (await historyOf(server, room)).length > 0, { what: `${room} is stored` });
    }
    for (const manager of managers.splice(0)) manager.destroy();
    await server.stop();
    server = await startEmbedded(settings);
    for (const room of rooms) {
      const eve = client(server.url, room);
      await waitFor(eve.isSynced);
      expect(eve.text.toString()).toBe(room);
    }
  });
});

describe('a synced client', () => {
  it('has everything that was acked to anybody before it joined', async () => {
    const server = await startEmbedded();
    const ann = client(server.url, 'busy');
    await waitFor(ann.isSynced);
    for (let round = 0; round < 20; round++) {
      ann.text.insert(ann.text.length, `round ${round}. `);
      await waitFor(() => !ann.manager.hasUnackedChanges);
      const bob = client(server.url, 'busy');
      await waitFor(bob.isSynced, { intervalMs: 1 });
      expect(bob.text.toString()).toBe(ann.text.toString());
      bob.manager.destroy();
    }
  });
});
