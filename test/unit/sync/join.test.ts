import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import * as Y from 'yjs';
import type { PersistenceAdapter } from '../../../lib/store/port.ts';
import { NO_EPOCH } from '../../../lib/sync/join.ts';
import { openPgliteStore, SyncWorld } from '../../support/sync-world.ts';
import { textOf, Writer } from '../../support/writer.ts';

let store: PersistenceAdapter;
let world: SyncWorld;

beforeAll(async () => {
  store = await openPgliteStore();
  await store.prepare();
});
afterAll(() => store.close());
beforeEach(async () => {
  world = await SyncWorld.open({ store });
});
afterEach(() => world.close());

describe('a join', () => {
  it('answers an empty state for a document nobody has written to', async () => {
    const document = world.newDocument();
    const answer = await world.join(document);
    expect(answer.position).toEqual({
      generation: 1,
      epoch: await world.epoch(document),
      partition: world.at(document).partition,
      offset: -1,
    });
    expect(answer).toMatchObject({ kind: 'full', appended: [], update: Uint8Array.of(0, 0) });
  });

  it('merges snapshot, rows and the tail of the log', async () => {
    const document = world.newDocument();
    const writer = new Writer(1);
    await world.append(document, writer.type('a', 'b'));
    await world.persist(document);
    await world.snapshot(document);
    await world.append(document, writer.type('c'), { version: 3 });
    await world.persist(document);
    const offsets = await world.append(document, writer.type('d'), { version: 4 });
    const answer = await world.join(document, { senderId: 'sender' });
    expect(textOf(answer.update)).toBe('abcd');
    expect(answer.position.offset).toBe(offsets.at(-1));
    expect(answer.appended).toEqual([[1, 4]]);
    expect(answer.stateVector).toEqual(Y.encodeStateVector(writer.doc));
  });

  it('is tagged with the end of the log, not with the document’s last record', async () => {
    const document = world.newDocument();
    await world.append(document, new Writer(1).type('a'));
    await world.append(world.neighbour(document, 'other'), new Writer(2).type('x', 'y', 'z'));
    const answer = await world.join(document);
    expect(answer.position.offset).toBe(await world.lastOffset(document));
    expect(textOf(answer.update)).toBe('a');
  });

  it('is tagged with the stored position when the store is ahead', async () => {
    const document = world.newDocument();
    const writer = new Writer(1);
    const [first] = await world.append(document, writer.type('a'));
    const late = await SyncWorld.open({
      store,
      // A log position taken a moment ago: the store has stored more since.
      wrapStream: (stream) => Object.assign(Object.create(stream), { endOffset: async () => first! + 1 }),
    });
    await late.append(document, writer.type('b'));
    await late.append(document, writer.type('c'), { version: 2 });
    await late.persist(document);
    const answer = await late.join(document);
    expect(answer.position.offset).toBe(await late.lastOffset(document));
    await late.close();
  });

  it('cuts a full state down to what a state vector lacks, and keeps its deletes', async () => {
    const document = world.newDocument();
    const writer = new Writer(1);
    await world.append(document, writer.type('hello'.repeat(100)));
    const known = Y.encodeStateAsUpdate(writer.doc);
    await world.append(document, writer.erase(0, 495), { version: 2 });
    const answer = await world.join(document, { stateVector: Y.encodeStateVector(writer.doc) });
    expect(answer.kind).toBe('full');
    expect(answer.update.byteLength).toBeLessThan(50);
    expect(textOf(known, answer.update)).toBe('hello');
  });

  it('refuses a state vector that cannot be read', async () => {
    const document = world.newDocument();
    await world.append(document, new Writer(1).type('a'));
    await expect(world.join(document, { stateVector: Uint8Array.of(9, 255) })).rejects.toMatchObject({
      type: 'BAD_INPUT',
    });
  });

  it('names exactly the versions of the sender that are in the log', async () => {
    const document = world.newDocument();
    const writer = new Writer(1);
    await world.append(document, writer.type('a', 'b'), { senderId: 'A', version: 1 });
    await world.append(document, writer.type('c'), { senderId: 'B', version: 1 });
    await world.persist(document);
    // 3 was refused: only 1, 2 and 4 are in the log.
    await world.append(document, writer.type('d'), { senderId: 'A', version: 4 });
    const appended = async (senderId: string) => (await world.join(document, { senderId })).appended;
    expect(await appended('A')).toEqual([
      [1, 2],
      [4, 4],
    ]);
    expect(await appended('B')).toEqual([[1, 1]]);
    expect(await appended('C')).toEqual([]);
  });

  it('names the versions of a sender as the user who asks, not those of others with its id', async () => {
    const document = world.newDocument();
    const writer = new Writer(1);
    await world.append(document, writer.type('a'), { senderId: 'A', version: 1 });
    await world.append(document, writer.type('b'), { senderId: 'A', userId: 'u', version: 2 });
    await world.persist(document);
    await world.append(document, writer.type('c'), { senderId: 'A', userId: 'u', version: 3 });
    await world.append(document, writer.type('d'), { senderId: 'A', userId: 'v', version: 4 });
    const appended = async (userId?: string) => {
      const who = { senderId: 'A', ...(userId === undefined ? {} : { userId }) };
      const full = await world.join(document, who);
      const position = { ...full.position, offset: -1 };
      const fresh = world.sourceWithoutCache();
      const delta = await fresh.join({ document, heldAfter: -1, ...who, position });
      expect(delta.appended).toEqual(full.appended);
      return full.appended;
    };
    expect(await appended()).toEqual([[1, 1]]);
    expect(await appended('u')).toEqual([[2, 3]]);
    expect(await appended('v')).toEqual([[4, 4]]);
    expect(await appended('w')).toEqual([]);
  });

  it('counts a repeated version of a writer once, and the same version of another writer', async () => {
    const document = world.newDocument();
    const [first, second, third] = [
      new Writer(1).type('a'),
      new Writer(2).type('b'),
      new Writer(3).type('c'),
    ];
    await world.append(document, first, { senderId: 'A', version: 1 });
    await world.append(document, second, { senderId: 'A', version: 1 });
    await world.append(document, third, { senderId: 'B', version: 1 });
    const shown = textOf((await world.join(document)).update);
    expect([...shown].sort()).toEqual(['a', 'c']);
  });

  it('passes over records that nobody can use', async () => {
    const document = world.newDocument();
    const writer = new Writer(1);
    await world.append(document, writer.type('a'));
    const { key, headers } = { key: `t/${document.roomId}/d`, headers: { s: 'x', c: '1', g: '1', t: '0' } };
    await world.stream.append(world.at(document), [
      { key, headers, value: Uint8Array.of(255, 255, 1) },
      { key, headers: { t: '4' }, value: Uint8Array.of(2, 0, 123, 125, 4, 1, 123) },
    ]);
    await world.append(document, [Uint8Array.of(1, 1, 200, 1, 0, 4)], { senderId: 'evil' });
    await world.append(document, writer.type('b'), { version: 2 });
    expect(textOf((await world.join(document)).update)).toBe('ab');
  });

  it('keeps structs and deletes that wait for what they build on', async () => {
    const document = world.newDocument();
    const writer = new Writer(1);
    const [a, b, c] = writer.type('a', 'b', 'c') as [Uint8Array, Uint8Array, Uint8Array];
    const [erased] = writer.erase(1, 1) as [Uint8Array];
    await world.append(document, [a, c, erased]);
    await world.persist(document);
    await world.snapshot(document);
    const before = await world.join(document);
    expect(textOf(before.update)).toBe('a');
    await world.append(document, [b], { version: 4 });
    const answer = await world.join(document, { heldAfter: await world.lastOffset(document) });
    expect(textOf(answer.update)).toBe('ac');
    expect(textOf(before.update, b)).toBe('ac');
  });
});

describe('a generation', () => {
  it('begins at a barrier in the tail: what came before it is dropped, stale records behind it too', async () => {
    const document = world.newDocument();
    await world.append(document, new Writer(1).type('old'), { senderId: 'A' });
    await world.persist(document);
    await world.append(document, new Writer(2).type('older tail'), { senderId: 'A', version: 2 });
    await world.barrier(document, 2);
    await world.append(document, new Writer(3).type('stale'), { senderId: 'A', version: 3 });
    await world.append(document, new Writer(4).type('new'), { senderId: 'A', version: 4, generation: 2 });
    const answer = await world.join(document, { senderId: 'A' });
    expect(answer.position.generation).toBe(2);
    expect(textOf(answer.update)).toBe('new');
    expect(answer.appended).toEqual([[4, 4]]);
  });

  it('is not begun by a barrier that comes twice or late', async () => {
    const document = world.newDocument();
    await world.barrier(document, 2);
    await world.append(document, new Writer(1).type('kept'), { generation: 2 });
    await world.barrier(document, 2);
    await world.barrier(document, 1);
    const answer = await world.join(document);
    expect(answer.position.generation).toBe(2);
    expect(textOf(answer.update)).toBe('kept');
  });

  it('that a cached state does not know yet replaces it', async () => {
    const document = world.newDocument();
    await world.append(document, new Writer(1).type('old'));
    const old = await world.join(document);
    await world.barrier(document, 2);
    await world.append(document, new Writer(2).type('new'), { generation: 2 });
    const answer = await world.join(document, { heard: { ...old.position, generation: 2 } });
    expect(textOf(answer.update)).toBe('new');
  });

  it('makes a position and a state vector of another one worthless', async () => {
    const document = world.newDocument();
    const writer = new Writer(1);
    await world.append(document, writer.type('same client, other content'));
    const { position } = await world.join(document);
    await world.barrier(document, 2);
    await world.append(document, new Writer(1).type('same'), { generation: 2 });
    const answer = await world.join(document, {
      position,
      heldAfter: await world.lastOffset(document),
      stateVector: Y.encodeStateVector(writer.doc),
    });
    expect(answer.kind).toBe('full');
    expect(textOf(answer.update)).toBe('same');
  });
});

describe('a topic that is another one than before, or missing', () => {
  it('has no answer from what is cached for a gateway that follows another one', async () => {
    const document = world.newDocument();
    await world.append(document, new Writer(1).type('a'));
    const { topicId } = (await world.stream.identity(world.at(document).topic))!;
    expect(textOf((await world.join(document, { topicId })).update)).toBe('a');
    await expect(world.join(document, { topicId: 'another' })).rejects.toMatchObject({
      type: 'STREAM_UNAVAILABLE',
    });
    expect(textOf((await world.join(document, { topicId })).update)).toBe('a');
  });

  it('does not make a document that was written look like an empty one', async () => {
    const rooms = await SyncWorld.open({ store, topicPattern: 'yjs-{channel}-{room}' });
    const document = rooms.newDocument();
    await rooms.stream.ensureTopics([rooms.topics.spec('doc', document)]);
    await rooms.append(document, new Writer(1).type('a'));
    await rooms.persist(document);
    await rooms.close();
    const without = await SyncWorld.open({ store, topicPattern: 'yjs-{channel}-{room}' });
    await expect(without.join(document)).rejects.toMatchObject({ type: 'STREAM_TOPIC_MISSING' });
    await without.close();
  });
});

describe('a room with a topic of its own', () => {
  it('gets the empty state without an epoch until somebody has written, and no topic by a join', async () => {
    const rooms = await SyncWorld.open({ store, topicPattern: 'yjs-{channel}-{room}' });
    const document = rooms.newDocument();
    const answer = await rooms.join(document);
    expect(answer.position).toEqual({ generation: 1, epoch: NO_EPOCH, partition: 0, offset: -1 });
    const { topic } = rooms.at(document);
    expect(await rooms.stream.listTopics()).not.toContain(topic);
    await rooms.stream.ensureTopics([rooms.topics.spec('doc', document)]);
    await rooms.append(document, new Writer(1).type('a'));
    const later = await rooms.join(document, { heard: answer.position });
    expect(later.position.epoch).toBeGreaterThan(NO_EPOCH);
    expect(textOf(later.update)).toBe('a');
    await rooms.close();
  });
});
