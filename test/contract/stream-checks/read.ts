import assert from 'node:assert/strict';
import { assertRejects, record, textOf, texts, type StreamCheck } from './harness.ts';

export const readChecks: StreamCheck[] = [
  {
    name: 'offsets of missing and of empty partitions are 0',
    async run(world) {
      const missing = { topic: world.spec().topic, partition: 0 };
      const empty = await world.topic();
      for (const partition of [missing, empty]) {
        assert.equal(await world.stream.endOffset(partition), 0);
        assert.equal(await world.stream.startOffset(partition), 0);
      }
    },
  },
  {
    name: 'read gives exactly the range, without waiting for more',
    async run(world) {
      const target = await world.topic();
      const offsets = await world.appendTexts(target, texts(20));
      const batch = await world.read(target, offsets[5]!, offsets[11]!);
      assert.deepEqual(batch.records.map(textOf), texts(20).slice(5, 11));
      assert.deepEqual(
        batch.records.map(({ offset }) => offset),
        offsets.slice(5, 11),
      );
      assert.equal(batch.fetchOffset, offsets[5]);
      assert.equal(batch.nextOffset, offsets[11]);
      const whole = await world.read(target, 0, await world.stream.endOffset(target));
      assert.deepEqual(whole.records.map(textOf), texts(20));
    },
  },
  {
    name: 'read of an empty or reversed range resolves with nothing',
    async run(world) {
      const target = await world.topic();
      await world.appendTexts(target, texts(5));
      assert.deepEqual((await world.read(target, 3, 3)).records, []);
      assert.deepEqual((await world.read(target, 5, 5)).records, []);
      assert.deepEqual((await world.read(target, 4, 2)).records, []);
    },
  },
  {
    name: 'read of a long range is complete',
    async run(world) {
      const target = await world.topic();
      const value = Buffer.alloc(2000, 1);
      for (let round = 0; round < 5; round++) {
        await world.stream.append(
          target,
          texts(1000).map((text) => ({ ...record(text), value })),
        );
      }
      const batch = await world.read(target, 0, 5000);
      assert.deepEqual(
        batch.records.map(({ offset }) => offset),
        Array.from({ length: 5000 }, (_, at) => at),
      );
      assert.equal(batch.nextOffset, 5000);
    },
  },
  {
    name: 'read beyond maxBytes fails with STORE_BEHIND instead of cutting off',
    async run(world) {
      const target = await world.topic();
      await world.stream.append(
        target,
        texts(50).map((text) => ({ ...record(text), value: Buffer.alloc(2000) })),
      );
      const range = { topic: target.topic, partition: 0, fromOffset: 0, toOffset: 50 };
      await assertRejects(world.stream.read({ ...range, maxBytes: 20_000 }), 'STORE_BEHIND');
      const batch = await world.stream.read({ ...range, maxBytes: 1_000_000 });
      assert.equal(batch.records.length, 50);
    },
  },
  {
    name: 'read of a missing topic fails with STREAM_TOPIC_MISSING',
    async run(world) {
      const missing = { topic: world.spec().topic, partition: 0 };
      await assertRejects(world.read(missing, 0, 1), 'STREAM_TOPIC_MISSING');
    },
  },
  {
    name: 'read from a trimmed offset fails with STREAM_OFFSET_OUT_OF_RANGE',
    needs: 'trim',
    async run(world) {
      const target = await world.topic();
      const offsets = await world.appendTexts(target, texts(10));
      await world.harness.trim!(target, offsets[5]!);
      assert.equal(await world.stream.startOffset(target), offsets[5]);
      assert.equal(await world.stream.endOffset(target), offsets[9]! + 1);
      await assertRejects(world.read(target, offsets[4]!, offsets[9]!), 'STREAM_OFFSET_OUT_OF_RANGE');
      const left = await world.read(target, offsets[5]!, offsets[9]! + 1);
      assert.deepEqual(left.records.map(textOf), texts(10).slice(5));
    },
  },
];
