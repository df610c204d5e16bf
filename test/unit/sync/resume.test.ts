import { systemClock } from '../../../lib/clock.ts';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { AppError } from '../../../lib/errors.ts';
import type { DocumentId } from '../../../lib/protocol/ids.ts';
import { MemoryStore } from '../../../lib/store/memory.ts';
import type { PersistenceAdapter } from '../../../lib/store/port.ts';
import { SyncWorld } from '../../support/sync-world.ts';
import { textOf, Writer } from '../../support/writer.ts';

const SENTENCE = 'a state that is larger than what follows it. '.repeat(20);

let store: PersistenceAdapter;
let world: SyncWorld;
let document: DocumentId;
let writer: Writer;

beforeAll(async () => {
  store = new MemoryStore({ clock: systemClock });
  await store.prepare();
});
afterAll(() => store.close());
beforeEach(async () => {
  world = await SyncWorld.open({ store });
  document = world.newDocument();
  writer = new Writer(1);
});
afterEach(() => world.close());

/** What a client has that joined now: position and state. */
async function clientNow(senderId = 'joiner') {
  const { position, update } = await world.join(document, {
    senderId,
    heldAfter: await world.lastOffset(document),
  });
  return { position, update };
}

describe('a resume', () => {
  it('gets what came after its position in the tail, without asking the store again', async () => {
    await world.append(document, writer.type(SENTENCE));
    const client = await clientNow();
    await world.append(document, writer.type('b', 'c'), { version: 2 });
    const { loads } = world.calls;
    const answer = await world.join(document, {
      position: client.position,
      heldAfter: await world.lastOffset(document),
      senderId: 'sender',
    });
    expect(answer.kind).toBe('delta');
    expect(answer.appended).toEqual([[2, 3]]);
    expect(answer.stateVector).toHaveLength(0);
    expect(answer.update.byteLength).toBeLessThan(100);
    expect(textOf(client.update, answer.update)).toBe(writer.text);
    expect(world.calls.loads).toBe(loads);
  });

  it('gets the rows behind its position after the snapshot has moved on', async () => {
    await world.append(document, writer.type(SENTENCE));
    const client = await clientNow();
    await world.append(document, writer.type('b'), { version: 2 });
    await world.persist(document);
    await world.snapshot(document);
    await world.append(document, writer.type('c'), { version: 3 });
    await world.persist(document);
    await world.append(document, writer.type('d'), { version: 4 });
    // Another process: nothing is cached, and its state begins with the snapshot.
    const fresh = world.sourceWithoutCache();
    const answer = await fresh.join({
      document,
      senderId: 'sender',
      heldAfter: -1,
      position: client.position,
    });
    expect(answer.kind).toBe('delta');
    expect(answer.appended).toEqual([[2, 4]]);
    expect(textOf(client.update, answer.update)).toBe(writer.text);
  });

  it('gets an empty delta when nothing came', async () => {
    await world.append(document, writer.type(SENTENCE));
    const client = await clientNow();
    const answer = await world.join(document, { position: client.position });
    expect(answer).toMatchObject({ kind: 'delta', appended: [], update: Uint8Array.of(0, 0) });
    expect(answer.position).toEqual(client.position);
  });

  it('gets a delete that leaves the state vector equal', async () => {
    await world.append(document, writer.type(SENTENCE));
    const client = await clientNow();
    await world.append(document, writer.erase(0, 10), { version: 2 });
    const answer = await world.join(document, {
      position: client.position,
      heldAfter: await world.lastOffset(document),
    });
    expect(answer.kind).toBe('delta');
    expect(textOf(client.update, answer.update)).toBe(writer.text);
  });

  it('gets a full state when more lies behind its position than the state has bytes', async () => {
    await world.append(document, writer.type('a'));
    const client = await clientNow();
    await world.append(document, writer.type(...'b'.repeat(200)), { version: 2 });
    const answer = await world.join(document, {
      position: client.position,
      heldAfter: await world.lastOffset(document),
    });
    expect(answer.kind).toBe('full');
    expect(textOf(answer.update)).toBe(writer.text);
  });

  it.each([
    ['another epoch', { epoch: 999_999 }],
    ['another partition', { partition: 77 }],
    ['another generation', { generation: 9 }],
    ['an offset beyond the end', { offset: 1_000_000 }],
  ])('gets a full state for a position of %s', async (_, difference) => {
    await world.append(document, writer.type(SENTENCE));
    const client = await clientNow();
    const answer = await world.join(document, { position: { ...client.position, ...difference } });
    expect(answer.kind).toBe('full');
    expect(textOf(answer.update)).toBe(writer.text);
  });

  it('gets a full state when neither the rows nor what is remembered reach back far enough', async () => {
    const forgetful = await SyncWorld.open({ store, limits: { maxRecentBytes: 500 } });
    const other = forgetful.newDocument();
    const author = new Writer(1);
    await forgetful.append(other, author.type(SENTENCE));
    const { position, update } = await forgetful.join(other);
    await forgetful.append(other, author.type(...'abcdefgh'), { version: 2 });
    const heldAfter = await forgetful.lastOffset(other);
    const answer = await forgetful.join(other, { position, heldAfter });
    expect(answer.kind).toBe('full');
    expect(textOf(update, answer.update)).toBe(author.text);
    // Once they are stored, the rows reach back.
    await forgetful.persist(other);
    expect((await forgetful.join(other, { position, heldAfter })).kind).toBe('delta');
    await forgetful.close();
  });

  it('gets a full state when the rows cannot be read but the state is at hand', async () => {
    await world.append(document, writer.type(SENTENCE));
    const client = await clientNow();
    await world.append(document, writer.type('b'), { version: 2 });
    await world.persist(document);
    await world.snapshot(document);
    let isDown = false;
    const fresh = world.sourceWithoutCache({
      load: async (request) => {
        if (isDown) throw new AppError('STORE_UNAVAILABLE');
        isDown = true;
        return store.load(request);
      },
    });
    const answer = await fresh.join({
      document,
      senderId: 'x',
      heldAfter: -1,
      position: client.position,
    });
    expect(answer.kind).toBe('full');
  });
});
