import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ServiceBroker } from 'moleculer';
import * as Y from 'yjs';
import { createRuntime, type OpenRuntime } from '../../lib/broker/open-runtime.ts';
import { createBrokerOptions } from '../../lib/broker/options.ts';
import { attachRuntime } from '../../lib/broker/runtime.ts';
import { loadConfig } from '../../lib/config.ts';
import { silentLogger } from '../../lib/log.ts';
import { PERSISTER_CONSUMER } from '../../lib/store/port.ts';
import codecService from '../../services/codec.service.ts';
import persisterService from '../../services/persister.service.ts';
import { fillDatabaseFolder } from '../support/database-folder.ts';
import { waitFor } from '../support/wait.ts';
import { updateRecord } from '../unit/persister/records.ts';

const room = { tenantId: 'default', roomId: 'room' };
const document = { ...room, docId: 'doc' };

/** The persister service on the embedded log and a PGlite in a folder, started again with other settings. */
describe('operations of the persister', () => {
  let dataDir: string;
  let runtime: OpenRuntime;
  let broker: ServiceBroker;

  function open(settings: { maxMetadataBytes?: number; adoptTopics?: string[] }) {
    const config = loadConfig(
      {},
      { mode: 'embedded', dataDir, partitions: 1, storeDelayMs: 0, logLevel: 'error', ...settings },
    );
    runtime = createRuntime({ config, logger: silentLogger, nodeId: 'test' });
    broker = new ServiceBroker({
      ...createBrokerOptions(config, 'test'),
      created: (made) => attachRuntime(made, runtime),
    });
    broker.createService(codecService);
    broker.createService(persisterService);
  }

  async function start(settings: { maxMetadataBytes?: number; adoptTopics?: string[] } = {}) {
    open(settings);
    await broker.start();
  }

  async function stop() {
    await broker.stop();
    await runtime.close();
  }

  const call = <T>(action: string, params: object = {}) => broker.call<T, object>(action, params);
  const target = () => runtime.topics.target('doc', document);
  const append = async (...records: Parameters<typeof updateRecord>[0][]) =>
    (await runtime.stream()).append(
      target(),
      records.map((record) => updateRecord({ of: document, ...record })),
    );
  const load = async (of = document) => {
    const store = await runtime.store();
    return store.load({ document: of, epoch: 1, partition: target().partition });
  };
  const storedThrough = (offset: number) =>
    waitFor(async () => (await load()).storedThrough >= offset, { what: `stored through ${offset}` });

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'y-kafka-operations-'));
    await fillDatabaseFolder(dataDir);
    await start({ maxMetadataBytes: 512 });
  });

  afterAll(async () => {
    await stop();
    await rm(dataDir, { recursive: true, force: true });
  });

  it('lists quarantined records, without their content', async () => {
    const secret = 'secret '.repeat(100);
    await append({ version: 1 }, { version: 2, extra: { secret } }, { version: 3, update: Uint8Array.of(9) });
    await storedThrough(2);
    const { records, next } = await call<{ records: object[]; next?: object }>('persister.quarantine.list', {
      limit: 1,
    });
    expect(records).toMatchObject([
      { epoch: 1, offset: 1, reason: 'METADATA_TOO_LARGE', documentKey: 'default/room/doc' },
    ]);
    expect(JSON.stringify(records)).not.toContain(Buffer.from('secret secret').toString('hex'));
    const rest = await call<{ records: object[] }>('persister.quarantine.list', { after: next, document });
    expect(rest).toMatchObject({ records: [{ offset: 2, reason: 'BAD_UPDATE' }] });
    expect(rest).not.toHaveProperty('next');
    expect(await call('persister.quarantine.count')).toEqual({ count: 2 });
  });

  it('replays a record that is fine after a change, at its own place, and tells everybody by a copy', async () => {
    const place = { epoch: 1, partition: target().partition, offset: 1 };
    expect(await call('persister.quarantine.replay', place)).toEqual({
      outcome: 'refused',
      reason: 'METADATA_TOO_LARGE',
    });
    await stop();
    await start();
    expect(await call('persister.quarantine.replay', place)).toEqual({ outcome: 'stored' });
    expect(await call('persister.quarantine.replay', place)).toEqual({ outcome: 'stored' });
    await storedThrough(3);
    const { updates } = await load();
    expect(updates.map((row) => [row.offset, row.senderId, row.clientVersion])).toEqual([
      [0, 'sender', 1],
      [1, 'sender', 2],
      [3, `replay-1-${place.partition}-1`, 1],
    ]);
    expect(await call('persister.quarantine.count')).toEqual({ count: 1 });
    const bad = { ...place, offset: 2 };
    expect(await call('persister.quarantine.replay', bad)).toEqual({
      outcome: 'refused',
      reason: 'BAD_UPDATE',
    });
    await expect(call('persister.quarantine.replay', { ...place, offset: 0 })).rejects.toMatchObject({
      type: 'NOT_FOUND',
    });
    expect(await (await runtime.stream()).endOffset(target())).toBe(4);
  });

  it('rebuilds snapshots from the rows: the same state, with what is pending and what was deleted', async () => {
    const docs = ['a', 'b', 'c'].map((docId) => ({ ...document, docId }));
    const { updates, missing } = samples();
    const shape = (of: readonly Uint8Array[]) => shapeOf(of, missing);
    const first = await (await runtime.stream()).endOffset(target());
    for (const of of docs) await append(...updates.map((update, n) => ({ of, version: n + 1, update })));
    await storedThrough(first + docs.length * updates.length - 1);
    const expected = shape(updates);
    expect(expected.pending).toBe(true);
    expect(expected.afterwards).toEqual({ text: 'world t pending', pending: false });
    for (const of of docs)
      expect(await call('persister.snapshots.make', { document: of })).toEqual({ written: true });
    // A snapshot that somebody has spoilt.
    const store = await runtime.store();
    const { snapshot } = await load(docs[0]);
    const spoilt = { ...snapshot!, data: Y.encodeStateAsUpdate(new Y.Doc()) };
    expect(await store.replaceSnapshots(spoilt)).toBe(true);
    expect(shape([(await load(docs[0])).snapshot!.data])).not.toEqual(expected);
    expect(await call('persister.snapshots.rebuild', { document: docs[0] })).toMatchObject({ rebuilt: 1 });
    expect(shape([(await load(docs[0])).snapshot!.data])).toEqual(expected);
    // All of a room, in pages.
    let after: number | undefined;
    let rebuilt = 0;
    do {
      const page = await call<{ rebuilt: number; failed: object[]; next?: number }>(
        'persister.snapshots.rebuild',
        { ...room, limit: 2, ...(after === undefined ? {} : { after }) },
      );
      expect(page.failed).toEqual([]);
      rebuilt += page.rebuilt;
      after = page.next;
    } while (after !== undefined);
    expect(rebuilt).toBe(4);
    for (const of of docs) {
      const state = await load(of);
      expect(state.updates).toEqual([]);
      expect(shape([state.snapshot!.data])).toEqual(expected);
    }
    expect(await call('persister.snapshots.rebuild', { document: { ...document, docId: 'none' } })).toEqual({
      rebuilt: 0,
      skipped: 1,
      failed: [],
    });
  });

  it('stands still where the log was cut off, until exactly this loss is accepted', async () => {
    await stop();
    open({});
    const stream = await runtime.stream();
    const stored = await stream.endOffset(target());
    await append(...Array.from({ length: 10 }, (_, n) => ({ version: 100 + n })));
    await stream.trim!(target(), stored + 5);
    await broker.start();
    const place = { topic: target().topic, epoch: 1, partition: target().partition, offset: stored };
    await waitFor(async () => {
      const { blocked } = await call<{ blocked: object[] }>('persister.partitions.blocked');
      if (blocked.length > 0) expect(blocked).toEqual([place]);
      return blocked.length > 0;
    });
    expect((await runtime.health.report()).parts.persister).toMatchObject({ ready: false });
    const elsewhere = await call('persister.partitions.resume', { ...place, offset: stored + 1 });
    expect(elsewhere).toEqual({ resumed: false, nextOffset: stored, lost: 0 });
    await expect(call('persister.partitions.resume', { ...place, epoch: 2 })).rejects.toMatchObject({
      type: 'BAD_INPUT',
    });
    expect(await call('persister.partitions.resume', place)).toEqual({
      resumed: true,
      nextOffset: stored + 5,
      lost: 5,
    });
    expect(await call('persister.partitions.resume', place)).toMatchObject({ resumed: false });
    await storedThrough(stored + 9);
    const rows = (await load()).updates.filter((row) => row.offset >= stored);
    expect(rows.map((row) => row.offset)).toEqual([5, 6, 7, 8, 9].map((n) => stored + n));
    const { blocked, losses } = await call<{ blocked: object[]; losses: object[] }>(
      'persister.partitions.blocked',
    );
    expect(blocked).toEqual([]);
    expect(losses).toMatchObject([{ fromOffset: stored, toOffset: stored + 5 }]);
    expect((await runtime.health.report()).parts.persister).toMatchObject({ ready: true });
  });

  it('refuses a log that was wiped beside an old database, until it is adopted as a new epoch', async () => {
    await storedThrough(0);
    const before = await call<object>('codec.documents.render', { document, as: 'json' });
    await stop();
    for (const end of ['', '-wal', '-shm']) await rm(join(dataDir, `log.sqlite${end}`), { force: true });
    open({});
    const topics = [...new Set(runtime.topics.staticTopics.map(({ topic }) => topic))];
    await expect(broker.start()).rejects.toMatchObject({
      type: 'STREAM_IDENTITY_CHANGED',
      message: expect.stringContaining(`YKAFKA_ADOPT_TOPICS=${topics.join(',')}:`),
    });
    await stop();
    await start({ adoptTopics: topics });
    const { topic, partition } = target();
    const store = await runtime.store();
    const epoch = await store.epochOf((await (await runtime.stream()).identity(topic))!);
    expect(epoch).toBeGreaterThan(1);
    expect(await call('codec.documents.render', { document, as: 'json' })).toMatchObject({
      content: (before as { content: string }).content,
    });
    await append({ version: 500 });
    await waitFor(async () => (await store.nextOffset(PERSISTER_CONSUMER, epoch, partition)) === 1);
  });

  it('never goes on where the log is shorter than what is stored', async () => {
    const store = await runtime.store();
    const stream = await runtime.stream();
    const { partition, topic } = target();
    const epoch = await store.epochOf((await stream.identity(topic))!);
    const end = await stream.endOffset(target());
    const range = { epoch, partition, fetchOffset: end, nextOffset: end + 7 };
    await store.storeBatch({ consumer: PERSISTER_CONSUMER, ...range, records: [] });
    const place = { topic, epoch, partition, offset: end + 7 };
    await expect(call('persister.partitions.resume', place)).rejects.toMatchObject({ type: 'BAD_INPUT' });
  });
});

/** Updates of a document with a deletion, an update whose predecessor never came, and a delete of what is not there. */
function samples(): { updates: Uint8Array[]; missing: Uint8Array } {
  const doc = new Y.Doc();
  const updates: Uint8Array[] = [];
  doc.on('update', (update: Uint8Array) => void updates.push(update));
  doc.getText('t').insert(0, 'hello world');
  doc.getText('t').delete(0, 6);
  doc.getMap('m').set('k', [1, 2, 3]);
  doc.getText('t').insert(5, ' lost');
  doc.getText('t').insert(10, ' pending');
  doc.getText('t').delete(6, 3);
  const [missing] = updates.splice(3, 1);
  return { updates, missing: missing! };
}

/**
 * What can be seen of a state in a fresh document. What is pending shows its content when that has come for which it
 * waits.
 */
function shapeOf(updates: readonly Uint8Array[], missing: Uint8Array) {
  const doc = new Y.Doc();
  for (const update of updates) Y.applyUpdate(doc, update);
  const { pendingStructs, pendingDs } = doc.store;
  const before = {
    text: doc.getText('t').toString(),
    map: doc.getMap('m').toJSON(),
    vector: [...Y.decodeStateVector(Y.encodeStateVector(doc))],
    deleted: JSON.stringify([...Y.snapshot(doc).ds.clients]),
    pending: pendingStructs !== null && pendingDs !== null,
    missing: pendingStructs && [...pendingStructs.missing],
  };
  Y.applyUpdate(doc, missing);
  const afterwards = {
    text: doc.getText('t').toString(),
    pending: doc.store.pendingStructs !== null || doc.store.pendingDs !== null,
  };
  return { ...before, afterwards };
}
