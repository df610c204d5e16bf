import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { systemClock } from '../../../lib/clock.ts';
import { MemoryStore } from '../../../lib/store/memory.ts';
import type { PersistenceAdapter } from '../../../lib/store/port.ts';
import { SyncWorld } from '../../support/sync-world.ts';
import { textOf, Writer } from '../../support/writer.ts';

let store: PersistenceAdapter;
let world: SyncWorld;
/** How many epochs the topic is further than it was. */
let later = 0;

beforeAll(async () => {
  store = new MemoryStore({ clock: systemClock });
  await store.prepare();
  world = await SyncWorld.open({
    store,
    wrapEpochs: (epochs) => ({
      epochOf: async (topic, topicId) => (await epochs.epochOf(topic, topicId)) + later,
      forget: (topic) => epochs.forget(topic),
    }),
  });
});
afterAll(() => world.close());

it('a state that is cached of the epoch before answers nobody, whoever asks', async () => {
  const document = world.newDocument();
  await world.append(document, new Writer(1).type('a'));
  const before = await world.join(document);
  expect((await world.join(document)).position).toEqual(before.position);
  later = 1;
  const after = await world.join(document);
  expect(after.position).toEqual({ ...before.position, epoch: before.position.epoch + 1 });
  expect(textOf(after.update)).toBe('a');
});
