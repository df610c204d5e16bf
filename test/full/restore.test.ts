import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import pg from 'pg';
import * as Y from 'yjs';
import { documentKey } from '../../lib/protocol/ids.ts';
import { partitionOf } from '../../lib/stream/partitions.ts';
import type { Stream } from '../../lib/stream/port.ts';
import { ProtocolManager, type ManagerEvents } from '../../lib/provider/index.ts';
import { openStream, sharedBrokers } from '../kafka/support/kafka-harness.ts';
import { startTestCluster, type TestCluster } from '../support/cluster.ts';
import { updateRecord } from '../support/log-records.ts';
import { Operator } from '../support/operator.ts';
import { StoreReader } from '../support/recording/read-store.ts';
import { waitFor } from '../support/wait.ts';

jest.setTimeout(900_000);

const SLOW = { timeoutMs: 120_000 };
const TYPING_MS = 20;
const PARTITIONS = 4;
const TOPIC = `restore${randomBytes(4).toString('hex')}-doc`;

let cluster: TestCluster;
let operator: Operator;
let store: StoreReader;
let stream: Stream;
const people: Person[] = [];

beforeAll(async () => {
  const namespace = `restore-${randomBytes(4).toString('hex')}`;
  cluster = await startTestCluster({
    replicas: { persister: 2 },
    env: {
      YKAFKA_NAMESPACE: namespace,
      YKAFKA_TOPIC_PATTERN: TOPIC.replace(/doc$/, '{channel}'),
      PARTITIONS: String(PARTITIONS),
    },
  });
  stream = await openStream(sharedBrokers());
  operator = await Operator.join(namespace, sharedBrokers());
  store = new StoreReader(cluster.databaseUrl);
});

afterAll(async () => {
  for (const person of people) person.close();
  await Promise.all([operator?.stop(), store?.close(), stream?.close()]);
  await cluster?.stop();
});

interface Acked {
  version: number;
  position: { generation: number; offset: number };
}

/** Types x again and again, at one of the gateways, and z into the new document, if it takes one. */
class Person {
  readonly manager: ProtocolManager;
  readonly acked: Acked[] = [];
  readonly replaced: ManagerEvents['document-replaced'][] = [];
  readonly troubles: string[] = [];
  letter: string | undefined;
  /** Letters in the document that it has now. */
  typed = 0;
  readonly #timer: NodeJS.Timeout;

  constructor(options: { gateway: number; roomId: string; doc?: Y.Doc; recreates?: boolean }) {
    const { gateway, roomId, doc = new Y.Doc(), recreates = false } = options;
    this.manager = new ProtocolManager({ url: cluster.urls[gateway]!, roomId });
    this.manager.on('acked', (event) => this.acked.push(event));
    this.manager.on('document-replaced', (event) => {
      this.replaced.push(event);
      if (this.letter) this.letter = 'z';
      this.typed = 0;
    });
    for (const event of ['document-deleted', 'update-refused', 'join-refused', 'update-failed'] as const)
      this.manager.on(event, () => this.troubles.push(event));
    this.manager.addDoc(doc, { docId: 'doc', ...(recreates ? { recreate: () => new Y.Doc() } : {}) });
    this.#timer = setInterval(() => {
      if (!this.letter || !this.isSynced) return;
      this.doc.getText('t').insert(0, this.letter);
      this.typed++;
    }, TYPING_MS);
    people.push(this);
  }

  get doc(): Y.Doc {
    return this.manager.documents.get('doc') as Y.Doc;
  }

  get state() {
    return this.manager.documentState('doc');
  }

  get isSynced(): boolean {
    return this.state?.isSynced === true;
  }

  get text(): string {
    return this.doc.getText('t').toString();
  }

  close(): void {
    clearInterval(this.#timer);
    this.manager.destroy();
  }
}

function restoredState(): Uint8Array {
  const doc = new Y.Doc();
  doc.getText('t').insert(0, 'restored and this goes');
  doc.getText('t').delete(8, 14);
  return Y.encodeStateAsUpdate(doc);
}

async function payloadsOf(generation: number, document: string): Promise<Uint8Array[]> {
  const rows = (await store.rows()).filter(
    (row) => row.document === document && row.generation === generation,
  );
  return rows.sort((a, b) => a.offset - b.offset).flatMap(({ payload }) => (payload ? [payload] : []));
}

function textOf(updates: readonly Uint8Array[]): string {
  const doc = new Y.Doc();
  for (const update of updates) Y.applyUpdate(doc, update);
  return doc.getText('t').toString();
}

async function generationsOf(roomId: string): Promise<number[]> {
  const client = new pg.Client({ connectionString: cluster.databaseUrl });
  await client.connect();
  try {
    const { rows } = await client.query<{ generation: string }>(
      `select g.generation from document_generations g join documents d on d.id = g.document_id
       where d.room_id = $1 order by g.generation`,
      [roomId],
    );
    return rows.map(({ generation }) => Number(generation));
  } finally {
    await client.end();
  }
}

describe('a document that is replaced as a whole while people type at both gateways', () => {
  it('is the new state for everybody; each update is before or behind the barrier, and no old copy comes back', async () => {
    const document = { tenantId: 'default', roomId: 'restored', docId: 'doc' };
    const old = [0, 1].map((gateway) => new Person({ gateway, roomId: 'restored' }));
    const going = [0, 1].map((gateway) => new Person({ gateway, roomId: 'restored', recreates: true }));
    const everybody = [...old, ...going];
    for (const person of everybody) person.letter = 'x';
    await waitFor(() => everybody.every(({ acked }) => acked.length > 100), { ...SLOW, what: 'all type' });
    // Somebody who is away at that moment, with a copy.
    const copy = new Y.Doc();
    Y.applyUpdate(copy, Y.encodeStateAsUpdate(old[0]!.doc));
    const copiedAt = old[0]!.state!.position!;
    const request = {
      document,
      key: 'r1',
      expectedGeneration: 1,
      state: restoredState(),
      userId: 'operator',
    };
    // Two at once, at whatever persister: one operation.
    const results = await Promise.all([
      operator.documents('replace', request, { nodeID: 'persister-1' }),
      operator.documents('replace', request, { nodeID: 'persister-2' }),
    ]);
    for (const result of results)
      expect(result).toMatchObject({ outcome: 'done', generation: 2, deleted: false });
    expect(results[0]!.position).toEqual(results[1]!.position);
    const barrier = results[0]!.position!;
    // As a gateway does that has not heard of it yet: records of before, behind the barrier.
    const tooLate = new Y.Doc();
    tooLate.getText('t').insert(0, 'late');
    const late = updateRecord(document, Y.encodeStateAsUpdate(tooLate), {
      senderId: old[0]!.manager.senderId,
      version: 1_000_000,
      generation: 1,
    });
    const partition = partitionOf('default', 'restored', PARTITIONS);
    await stream.append({ topic: TOPIC, partition }, [late]);

    // Nobody is asked to stop: what they type until they hear of it is in nobody's new document.
    await waitFor(() => everybody.every(({ replaced }) => replaced.length > 0), {
      ...SLOW,
      what: 'all are told',
    });
    for (const { replaced } of everybody) {
      expect(replaced).toHaveLength(1);
      expect(replaced[0]).toMatchObject({ reason: 'generation' });
      expect(replaced[0]!.position!.generation).toBe(2);
    }
    expect(old.map(({ state }) => state!.halted)).toEqual(['replaced', 'replaced']);
    for (const { acked } of old)
      for (const { position } of acked) {
        expect(position.generation).toBe(1);
        expect(position.offset).toBeLessThan(barrier.offset);
      }
    const ofNew = (person: Person) => person.acked.filter(({ position }) => position.generation === 2);
    await waitFor(() => going.every((person) => ofNew(person).length > 50), {
      ...SLOW,
      what: 'those who go on with the new document type there',
    });

    // An old copy cannot bring anything back: one that says where it stood, and one that does not.
    const returning = new ProtocolManager({ url: cluster.urls[1]!, roomId: 'restored' });
    const returned: ManagerEvents['document-replaced'][] = [];
    returning.on('document-replaced', (event) => returned.push(event));
    returning.addDoc(copy, { docId: 'doc', position: copiedAt });
    const stranger = new Person({ gateway: 0, roomId: 'restored', doc: old[1]!.doc });
    await waitFor(() => returned.length > 0 && stranger.replaced.length > 0, {
      ...SLOW,
      what: 'old copies are told',
    });
    returning.destroy();

    for (const person of going) person.letter = undefined;
    await waitFor(() => going.every(({ manager }) => !manager.hasUnackedChanges), {
      ...SLOW,
      what: 'all is acked',
    });
    const fresh = [0, 1].map((gateway) => new Person({ gateway, roomId: 'restored' }));
    const present = [...going, ...fresh];
    await waitFor(() => present.every(({ isSynced, text }) => isSynced && text === present[0]!.text), {
      ...SLOW,
      what: 'both gateways end in the same state',
    });
    const { text } = present[0]!;
    // The new generation begins empty, and its state is the first update: somebody may have been quicker.
    expect(text).toMatch(/^z+restoredz*$/);
    expect(text.length).toBe('restored'.length + going.reduce((sum, { typed }) => sum + typed, 0));

    const key = documentKey(document);
    await waitFor(async () => textOf(await payloadsOf(2, key)) === text, {
      ...SLOW,
      what: 'the new generation is stored',
    });
    // What was before stays as history, wholly.
    const before = textOf(await payloadsOf(1, key));
    expect(before).toMatch(/^x+$/);
    const ackedBefore = everybody.reduce(
      (sum, { acked }) =>
        sum +
        new Set(acked.filter(({ position }) => position.generation === 1).map(({ version }) => version)).size,
      0,
    );
    expect(before.length).toBeGreaterThanOrEqual(ackedBefore);
    expect(await generationsOf('restored')).toEqual([2]);
    expect(people.flatMap(({ troubles }) => troubles)).toEqual([]);
    expect(cluster.complaints.filter((line) => line.includes('died'))).toEqual([]);
  });
});
