import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../../lib/clock.ts';
import type { Codec } from '../../../lib/codec/port.ts';
import { createInlineCodec } from '../../../lib/codec/inline.ts';
import { documentKey } from '../../../lib/protocol/ids.ts';
import { MemoryStore } from '../../../lib/store/memory.ts';
import type { PersistenceAdapter } from '../../../lib/store/port.ts';
import { SyncWorld } from '../../support/sync-world.ts';
import { textOf, Writer } from '../../support/writer.ts';

let store: PersistenceAdapter;
let world: SyncWorld;

beforeAll(async () => {
  store = new MemoryStore({ clock: systemClock });
  await store.prepare();
});
afterAll(() => store.close());
beforeEach(async () => {
  world = await SyncWorld.open({ store });
});
afterEach(() => world.close());

describe('a document that has been deleted', () => {
  it('has no state, whether the store knows it yet or only the log', async () => {
    const document = world.newDocument();
    const writer = new Writer(1);
    await world.append(document, writer.type('secret'));
    await world.persist(document);
    await world.snapshot(document);
    expect((await world.join(document)).deleted).toBeUndefined();
    await world.barrier(document, 2, 'deleted');
    // Written by somebody who has not heard of it, and by somebody who should not have.
    await world.append(document, writer.type('!'), { version: 2 });
    await world.append(document, new Writer(2).type('?'), { version: 3, generation: 2 });
    const heldAfter = await world.lastOffset(document);
    const expected = { deleted: true, kind: 'full', appended: [], position: { generation: 2 } };
    for (const source of [world.source, world.sourceWithoutCache()]) {
      const answer = await source.join({ document, senderId: 'sender', heldAfter });
      expect(answer).toMatchObject(expected);
      expect(textOf(answer.update)).toBe('');
    }
    await world.persist(document);
    const stored = await world.sourceWithoutCache().join({ document, senderId: 'sender', heldAfter });
    expect(stored).toMatchObject(expected);
    expect(textOf(stored.update)).toBe('');
  });

  it('does not come back to one who returns with a position in it', async () => {
    const document = world.newDocument();
    await world.append(document, new Writer(1).type('secret'));
    const { position } = await world.join(document);
    await world.barrier(document, 2, 'deleted');
    const heldAfter = await world.lastOffset(document);
    expect(await world.join(document, { position, heldAfter })).toMatchObject({
      deleted: true,
      kind: 'full',
    });
  });

  it('is made again by the next barrier, without what was before', async () => {
    const document = world.newDocument();
    await world.append(document, new Writer(1).type('old'));
    await world.barrier(document, 2, 'deleted');
    expect(await world.join(document)).toMatchObject({ deleted: true });
    await world.barrier(document, 3, 'recreated');
    await world.append(document, new Writer(2).type('new'), { generation: 3 });
    const heldAfter = await world.lastOffset(document);
    for (const source of [world.source, world.sourceWithoutCache()]) {
      const answer = await source.join({ document, senderId: 'x', heldAfter });
      expect(answer.deleted).toBeUndefined();
      expect([answer.position.generation, textOf(answer.update)]).toEqual([3, 'new']);
    }
  });

  it('leaves the memory as soon as it is known, also a state that is being computed', async () => {
    const document = world.newDocument();
    await world.append(document, new Writer(1).type('secret'));
    await world.join(document);
    expect(world.source.usage().cachedDocuments).toBe(1);
    world.source.forget(documentKey(document));
    expect(world.source.usage().cachedDocuments).toBe(0);

    const folding = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    const inline = createInlineCodec();
    const codec: Codec = {
      ...inline,
      fold: async (...request) => {
        folding.resolve();
        await goOn.promise;
        return inline.fold(...request);
      },
    };
    const slow = await SyncWorld.open({ store, codec });
    try {
      const other = slow.newDocument();
      await slow.append(other, new Writer(1).type('secret'));
      const joining = slow.join(other);
      await folding.promise;
      slow.source.forget();
      goOn.resolve();
      expect(textOf((await joining).update)).toBe('secret');
      expect(slow.source.usage().cachedDocuments).toBe(0);
    } finally {
      await slow.close();
    }
  });
});
