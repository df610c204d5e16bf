import assert from 'node:assert/strict';
import { gate, texts, type StreamCheck } from './harness.ts';

export const followChecks: StreamCheck[] = [
  {
    name: 'every follower sees every record',
    async run(world) {
      const target = await world.topic();
      const early = await Promise.all([world.collect(target, 0), world.collect(target, 0)]);
      await world.appendTexts(target, texts(10));
      const late = await world.collect(target, 0);
      await world.appendTexts(target, ['last']);
      for (const follower of [...early, late]) {
        await follower.untilText('last');
        assert.deepEqual(follower.texts, [...texts(10), 'last']);
      }
    },
  },
  {
    name: 'a follow from an offset sees that record first',
    async run(world) {
      const target = await world.topic();
      const offsets = await world.appendTexts(target, texts(10));
      const follower = await world.collect(target, offsets[4]!);
      assert.equal(follower.startOffset, offsets[4]);
      await world.appendTexts(target, ['last']);
      await follower.untilText('last');
      assert.deepEqual(follower.texts, [...texts(10).slice(4), 'last']);
    },
  },
  {
    name: 'a follow of the end sees exactly what is appended after it has begun',
    async run(world) {
      const target = await world.topic();
      await world.appendTexts(target, texts(10, 'before'));
      const follower = await world.collect(target, 'end');
      assert.equal(follower.startOffset, await world.stream.endOffset(target));
      for (const text of texts(5, 'after')) await world.appendTexts(target, [text]);
      await follower.untilText('after4');
      assert.deepEqual(follower.texts, texts(5, 'after'));
    },
  },
  {
    name: 'a follow of the end of an empty partition sees its first record',
    async run(world) {
      const target = await world.topic();
      const follower = await world.collect(target, 'end');
      await world.appendTexts(target, ['first']);
      await follower.untilText('first');
      assert.deepEqual(follower.texts, ['first']);
    },
  },
  {
    name: 'a follow of a missing topic begins at once and delivers when the topic is there',
    async run(world) {
      const spec = world.spec();
      const target = { topic: spec.topic, partition: 0 };
      const [fromStart, fromEnd] = await Promise.all([
        world.collect(target, 0),
        world.collect(target, 'end'),
      ]);
      assert.equal(fromEnd.startOffset, 0);
      await world.stream.ensureTopics([spec]);
      await world.appendTexts(target, texts(3));
      for (const follower of [fromStart, fromEnd]) {
        await follower.untilText('r2');
        assert.deepEqual(follower.texts, texts(3));
        assert.ok(follower.errors.every(({ retrying }) => retrying));
      }
    },
  },
  {
    name: 'batches follow each other without gap, the first from the offset that was asked for',
    async run(world) {
      const target = await world.topic();
      const offsets = await world.appendTexts(target, texts(20, 'a'));
      const follower = await world.collect(target, offsets[3]!);
      for (const text of texts(30, 'b')) await world.appendTexts(target, [text]);
      await follower.untilText('b29');
      assert.equal(follower.batches[0]?.fetchOffset, offsets[3]);
      assert.ok(follower.batches.every(({ topic, partition }) => topic === target.topic && partition === 0));
      follower.assertChain();
    },
  },
  {
    name: 'a slow follower gets one batch at a time, loses nothing and holds nobody up',
    async run(world) {
      const target = await world.topic();
      const slow = gate();
      let running = 0;
      let overlapped = false;
      const seen: number[] = [];
      const follow = await world.stream.follow({
        topic: target.topic,
        partition: 0,
        fromOffset: 0,
        onBatch: async (batch) => {
          overlapped ||= ++running > 1;
          await slow.opened;
          seen.push(...batch.records.map(({ offset }) => offset));
          running--;
        },
      });
      const fast = await world.collect(target, 0);
      const offsets: number[] = [];
      for (let round = 0; round < 30; round++)
        offsets.push(...(await world.appendTexts(target, texts(100, `${round}-`))));
      await fast.untilText('29-99');
      slow.open();
      await world.until(() => seen.length >= offsets.length, 'the slow follower has everything');
      await follow.stop();
      assert.ok(!overlapped, 'two batches at a time');
      assert.deepEqual(seen, offsets);
    },
  },
  {
    name: 'a stopped follow delivers nothing more; stopping again is harmless',
    async run(world) {
      const target = await world.topic();
      const stopped = await world.collect(target, 0);
      const witness = await world.collect(target, 0);
      await world.appendTexts(target, ['before']);
      await stopped.untilText('before');
      await stopped.stop();
      for (const text of texts(5, 'after')) await world.appendTexts(target, [text]);
      await witness.untilText('after4');
      await stopped.stop();
      assert.deepEqual(stopped.texts, ['before']);
    },
  },
  {
    name: 'a follow from a trimmed offset is told so and ends; from 0 it begins at what is left',
    needs: 'trim',
    async run(world) {
      const target = await world.topic();
      const offsets = await world.appendTexts(target, texts(10));
      await world.harness.trim!(target, offsets[6]!);
      const trimmed = await world.collect(target, offsets[2]!);
      await trimmed.untilError('STREAM_OFFSET_OUT_OF_RANGE');
      const earliest = await world.collect(target, 0);
      await earliest.untilText('r9');
      assert.deepEqual(earliest.texts, texts(10).slice(6));
      assert.equal(earliest.startOffset, offsets[6]);
      assert.deepEqual(trimmed.texts, []);
    },
  },
  {
    name: 'a follow from beyond the end is told so and ends',
    async run(world) {
      const target = await world.topic();
      await world.appendTexts(target, texts(3));
      const follower = await world.collect(target, 1000);
      await follower.untilError('STREAM_OFFSET_OUT_OF_RANGE');
      assert.deepEqual(follower.texts, []);
    },
  },
];
