import { systemClock } from '../../../lib/clock.ts';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import * as Y from 'yjs';
import { foldWithYjs } from '../../../lib/codec/fold.ts';
import { documentKey, type DocumentId } from '../../../lib/protocol/ids.ts';
import type { Position } from '../../../lib/protocol/position.ts';
import { addVersion, type VersionRanges } from '../../../lib/protocol/ranges.ts';
import { MemoryStore } from '../../../lib/store/memory.ts';
import type { PersistenceAdapter } from '../../../lib/store/port.ts';
import type { SyncAnswer } from '../../../lib/sync/port.ts';
import { readLogEntry } from '../../../lib/sync/records.ts';
import { SyncWorld } from '../../support/sync-world.ts';
import { Writer } from '../../support/writer.ts';

const MB = 1024 * 1024;

let store: PersistenceAdapter;
beforeAll(async () => {
  store = new MemoryStore({ clock: systemClock });
  await store.prepare();
});
afterAll(() => store.close());

/** mulberry32: small, seeded, good enough to choose steps. */
function seeded(seed: number) {
  let state = seed;
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
  return { below: (bound: number) => Math.floor(next() * bound) };
}

/** What the log alone says about a document through an offset: the slow, obvious reading of the rules. */
async function expected(world: SyncWorld, document: DocumentId, through: number) {
  const at = world.at(document);
  const { records } = await world.stream.read({
    ...at,
    fromOffset: 0,
    toOffset: through + 1,
    maxBytes: 64 * MB,
  });
  let generation = 1;
  let payloads: Uint8Array[] = [];
  let versions = new Map<string, VersionRanges>();
  for (const record of records) {
    const entry = record.key === documentKey(document) ? readLogEntry(record) : undefined;
    if (entry?.kind === 'barrier' && entry.generation > generation) {
      generation = entry.generation;
      payloads = [];
      versions = new Map();
    } else if (entry?.kind === 'update' && entry.generation === generation) {
      payloads.push(entry.payload);
      if (!versions.has(entry.senderId)) versions.set(entry.senderId, []);
      addVersion(versions.get(entry.senderId)!, entry.clientVersion);
    }
  }
  return { generation, folded: foldWithYjs(undefined, payloads), versions };
}

interface Client {
  senderId: string;
  doc: Y.Doc;
  position?: Position;
}

const contentOf = (doc: Y.Doc) => ({
  text: doc.getText('t').toString(),
  stateVector: Y.decodeStateVector(Y.encodeStateVector(doc)),
});

function contentOfUpdate(update: Uint8Array) {
  const doc = new Y.Doc({ guid: 'expected' });
  Y.applyUpdate(doc, update);
  return contentOf(doc);
}

/** A random history of one world: writers, barriers, a persister that lags, snapshots, clients that come and go. */
class Schedule {
  readonly world: SyncWorld;
  readonly #random: ReturnType<typeof seeded>;
  readonly #documents: DocumentId[];
  readonly #generations = new Map<DocumentId, number>();
  readonly #writers = new Map<DocumentId, { writer: Writer; version: number }>();
  readonly #clients = new Map<DocumentId, Client[]>();
  readonly kinds = { full: 0, delta: 0 };

  constructor(world: SyncWorld, seed: number) {
    this.world = world;
    this.#random = seeded(seed);
    const first = world.newDocument();
    this.#documents = [first, world.neighbour(first, 'other')];
    for (const document of this.#documents) {
      this.#generations.set(document, 1);
      this.#writers.set(document, { writer: new Writer(1), version: 0 });
      const clients = ['w', 'x', 'y'].map((senderId) => ({ senderId, doc: new Y.Doc({ guid: senderId }) }));
      this.#clients.set(document, clients);
    }
  }

  async step(): Promise<void> {
    const document = this.#documents[this.#random.below(2)]!;
    const chance = this.#random.below(100);
    if (chance < 45) await this.#write(document);
    else if (chance < 48) await this.#raise(document);
    else if (chance < 58) await this.#persist(document);
    else if (chance < 63) await this.world.snapshot(document);
    else await this.#join(document);
  }

  async #write(document: DocumentId): Promise<void> {
    const state = this.#writers.get(document)!;
    const { writer } = state;
    const generation = this.#generations.get(document)!;
    const canErase = writer.text.length > 4 && this.#random.below(3) === 0;
    const updates = canErase
      ? writer.erase(this.#random.below(3), 2)
      : writer.type('abcdefgh'.slice(this.#random.below(7)));
    // Sometimes the later one is appended first: it waits for the earlier.
    if (this.#random.below(4) === 0) updates.unshift(...writer.type('!'));
    const version = state.version + 1;
    state.version += updates.length;
    await this.world.append(document, updates, { senderId: 'w', version, generation });
    if (this.#random.below(8) === 0)
      await this.world.append(document, updates, { senderId: 'w', version, generation });
    if (this.#random.below(8) === 0)
      await this.world.append(document, [Uint8Array.of(9, 9)], {
        senderId: 'junk',
        version,
        generation: 7_777,
      });
  }

  /** A new generation: the writer begins with an empty document; its versions go on. */
  async #raise(document: DocumentId): Promise<void> {
    const generation = this.#generations.get(document)! + 1;
    this.#generations.set(document, generation);
    await this.world.barrier(document, generation);
    this.#writers.get(document)!.writer = new Writer(generation);
  }

  async #persist(document: DocumentId): Promise<void> {
    const end = (await this.world.lastOffset(document)) + 1;
    const { epoch, partition } = { epoch: await this.world.epoch(document), ...this.world.at(document) };
    const from = await store.nextOffset('persister', epoch, partition);
    if (end > from) await this.world.persist(document, from + 1 + this.#random.below(end - from));
  }

  async #join(document: DocumentId): Promise<void> {
    const clients = this.#clients.get(document)!;
    const client = clients[this.#random.below(clients.length)]!;
    const end = await this.world.lastOffset(document);
    // A gateway that follows since now, or one whose ring reaches back.
    const heldAfter = this.#random.below(2) === 0 ? end : Math.max(-1, end - this.#random.below(10));
    const wantsFull = this.#random.below(4) === 0;
    const { position } = client;
    const answer = await this.world.join(document, {
      senderId: client.senderId,
      heldAfter,
      ...(position ? { heard: position, ...(wantsFull ? {} : { position }) } : {}),
      ...(wantsFull && position ? { stateVector: Y.encodeStateVector(client.doc) } : {}),
    });
    expect(answer.position.offset).toBeGreaterThanOrEqual(heldAfter);
    await this.#check(document, client, answer);
  }

  async #check(document: DocumentId, client: Client, answer: SyncAnswer): Promise<void> {
    this.kinds[answer.kind]++;
    const { position } = answer;
    const truth = await expected(this.world, document, position.offset);
    expect(position.generation).toBe(truth.generation);
    const before = client.position;
    if (before?.generation === position.generation) {
      expect(position.offset).toBeGreaterThanOrEqual(before.offset);
    } else client.doc = new Y.Doc({ guid: client.senderId });
    Y.applyUpdate(client.doc, answer.update);
    client.position = position;
    expect(contentOf(client.doc)).toEqual(contentOfUpdate(truth.folded.update));
    const versions = truth.versions.get(client.senderId) ?? [];
    if (answer.kind === 'full') {
      expect(answer.appended).toEqual(versions);
      expect(Y.decodeStateVector(answer.stateVector)).toEqual(Y.decodeStateVector(truth.folded.stateVector));
    }
  }
}

describe('random histories', () => {
  it.each([1, 2, 3, 4, 5, 6])('every answer is what the log says at its position (seed %i)', async (seed) => {
    const world = await SyncWorld.open({
      store,
      limits: { maxRecentBytes: seed % 2 ? 1_500 : 256 * 1024, cacheBytes: seed % 3 ? 64 * MB : 6_000 },
    });
    const schedule = new Schedule(world, seed);
    for (let step = 0; step < 250; step++) await schedule.step();
    expect(schedule.kinds.full).toBeGreaterThan(5);
    expect(schedule.kinds.delta).toBeGreaterThan(5);
    await world.close();
  });
});
