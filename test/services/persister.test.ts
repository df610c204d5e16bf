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
import { encodeKafkaEnvelope, encodeSyncPayload } from '../../lib/protocol/envelope.ts';
import type { AssembledPersister } from '../../lib/persister/assemble.ts';
import { documentKey } from '../../lib/protocol/ids.ts';
import { SyncMessageType } from '../../lib/protocol/message-types.ts';
import { createMetadata } from '../../lib/protocol/metadata.ts';
import type { ConsumeRequest, Stream, TopicRetention } from '../../lib/stream/port.ts';
import codecService from '../../services/codec.service.ts';
import persisterService from '../../services/persister.service.ts';
import { fillDatabaseFolder } from '../support/database-folder.ts';
import { waitFor } from '../support/wait.ts';

const document = { tenantId: 'default', roomId: 'room', docId: 'doc' };

describe('the persister service', () => {
  let dataDir: string;
  let runtime: OpenRuntime;
  let broker: ServiceBroker;
  const doc = new Y.Doc();
  let version = 0;
  /** What the log says of itself, and what holds up all that is to be stored. */
  let retention: TopicRetention | undefined;
  let held: Promise<void> | undefined;

  const wrapStream = (stream: Stream): Stream =>
    new Proxy(stream, {
      get(of, name) {
        const value = Reflect.get(of, name) as unknown;
        if (name === 'retention') return async () => retention;
        if (name === 'consume') return (request: ConsumeRequest) => stream.consume(delayed(request));
        return typeof value === 'function' ? (value.bind(of) as unknown) : value;
      },
    });

  const delayed = (request: ConsumeRequest): ConsumeRequest => ({
    ...request,
    onBatch: async (batch, context) => {
      await held;
      return request.onBatch(batch, context);
    },
  });

  async function start() {
    const config = loadConfig(
      {},
      {
        mode: 'embedded',
        dataDir,
        partitions: 4,
        snapshotUpdates: 20,
        snapshotBurstMs: 0,
        logLevel: 'error',
      },
    );
    runtime = createRuntime({
      config,
      logger: silentLogger,
      nodeId: 'test',
      wrapStream,
    });
    broker = new ServiceBroker({
      ...createBrokerOptions(config, 'test'),
      created: (made) => attachRuntime(made, runtime),
    });
    broker.createService(codecService);
    broker.createService(persisterService);
    await broker.start();
  }

  async function stop() {
    await broker.stop();
    await runtime.close();
  }

  const target = () => runtime.topics.target('doc', document);

  async function append(count: number, to = document) {
    const stream = await runtime.stream();
    for (let n = 0; n < count; n++) {
      const updates: Uint8Array[] = [];
      const listener = (update: Uint8Array) => updates.push(update);
      doc.on('update', listener);
      doc.getText('t').insert(0, `${version} `);
      doc.off('update', listener);
      version++;
      const metadata = createMetadata({ ...to, senderId: 'sender', version, generation: 1 });
      const value = encodeKafkaEnvelope(metadata, encodeSyncPayload(SyncMessageType.Update, updates[0]!));
      const headers = { s: 'sender', c: String(version), g: '1', t: '0' };
      await stream.append(target(), [{ key: documentKey(to), value, headers }]);
    }
  }

  async function load(of = document) {
    const { topic, partition } = target();
    const [stream, store] = [await runtime.stream(), await runtime.store()];
    const epoch = await store.epochOf((await stream.identity(topic))!);
    return store.load({ document: of, epoch, partition });
  }

  const storedThrough = async (offset: number) => {
    await waitFor(async () => (await load()).storedThrough >= offset, { what: `stored through ${offset}` });
  };

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'y-kafka-persister-'));
    await fillDatabaseFolder(dataDir);
    await start();
  });

  afterAll(async () => {
    await stop();
    await rm(dataDir, { recursive: true, force: true });
  });

  it('stores what is appended and is ready', async () => {
    await append(5);
    await storedThrough(4);
    expect((await load()).updates.length).toBe(5);
    const { parts } = await runtime.health.report();
    expect(parts.persister).toMatchObject({ ready: true, consuming: true });
  });

  it('tells where each partition stands', async () => {
    const positions = await broker.call<{ partition: number; nextOffset: number; lag: number }[], object>(
      'persister.positions.list',
      {},
    );
    expect(positions).toHaveLength(4);
    expect(positions.find(({ partition }) => partition === target().partition)).toMatchObject({
      nextOffset: 5,
      lag: 0,
    });
    expect(await broker.call('persister.quarantine.count', {})).toEqual({ count: 0 });
  });

  it('makes a snapshot by itself once enough lies behind the last one', async () => {
    await append(40);
    const state = await waitFor(async () => {
      const found = await load();
      return found.snapshot && found.storedThrough >= 44 ? found : undefined;
    });
    expect(state.snapshot!.throughOffset).toBeGreaterThanOrEqual(19);
    const copy = new Y.Doc();
    Y.applyUpdate(copy, state.snapshot!.data);
    for (const { payload } of state.updates) Y.applyUpdate(copy, payload);
    expect(copy.getText('t').toString()).toBe(doc.getText('t').toString());
  });

  it('makes a snapshot when asked, and none when nothing lies behind the last one', async () => {
    // In another one none is due by itself.
    const asked = { ...document, docId: 'asked' };
    await append(1, asked);
    await storedThrough(45);
    expect(await broker.call('persister.snapshots.make', { document: asked })).toEqual({ written: true });
    expect((await load(asked)).updates).toEqual([]);
    expect(await broker.call('persister.snapshots.make', { document: asked })).toEqual({ written: false });
  });

  it('names in its health what the log will soon forget, until it is stored', async () => {
    const { parts } = broker.getLocalService('persister') as unknown as { parts: AssembledPersister };
    const health = async () => {
      await parts.retention.sweep();
      return (await runtime.health.report()).parts.persister!;
    };
    expect(await health()).toMatchObject({ retention: { lagRecords: 0, near: [] } });
    const { topic, partition } = target();
    let release = () => undefined as void;
    held = new Promise((resolve) => (release = resolve));
    retention = { retentionMs: 1 };
    await append(1);
    // It has used up more than half of its time as soon as it is a millisecond old.
    const found = await waitFor(async () => {
      const part = await health();
      return (part.retention as { near: string[] }).near.length > 0 && part;
    });
    expect(found).toMatchObject({
      ready: true,
      retention: { lagRecords: 1, near: [`${topic}/${partition}`] },
    });
    held = undefined;
    release();
    await storedThrough(46);
    expect(await health()).toMatchObject({ retention: { lagRecords: 0, usedRatio: 0, near: [] } });
    retention = undefined;
  });

  it('refuses unknown parameters', async () => {
    await expect(broker.call('persister.positions.list', { x: 1 })).rejects.toThrow();
    await expect(
      broker.call('persister.snapshots.make', { document: { ...document, extra: 1 } }),
    ).rejects.toThrow();
  });

  it('goes on exactly where it was after a restart', async () => {
    await append(3);
    await stop();
    await start();
    await append(3);
    await storedThrough(52);
    const store = await runtime.store();
    const offsets: number[] = [];
    for await (const row of store.exportHistory(document)) offsets.push(row.offset);
    // At 45 stands the other document.
    expect(offsets).toEqual(Array.from({ length: 53 }, (_, n) => n).filter((n) => n !== 45));
  });
});
