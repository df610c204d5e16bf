import assert from 'node:assert/strict';
import { assertRejects, texts, type StreamCheck } from './harness.ts';

export const lifecycleChecks: StreamCheck[] = [
  {
    name: 'ping tells whether the log answers',
    async run(world) {
      assert.equal(await world.stream.ping(5000), true);
      await world.stream.close();
      assert.equal(await world.stream.ping(1000), false);
    },
  },
  {
    name: 'close is idempotent and ends appends, followers and members',
    async run(world) {
      const target = await world.topic();
      const follower = await world.collect(target, 0);
      await world.appendTexts(target, ['x']);
      await follower.untilText('x');
      await Promise.all([world.stream.close(), world.stream.close()]);
      await world.stream.close();
      await follower.stop();
      await assertRejects(world.appendTexts(target, ['late']), 'STREAM_CLOSED');
      assert.deepEqual(follower.texts, ['x']);
    },
  },
  {
    name: 'close flushes what is being appended',
    needs: 'reopen',
    async run(world) {
      const target = await world.topic();
      const calls = texts(50).map((text) => world.appendTexts(target, [text]));
      const acked = Promise.all(calls);
      await Promise.all([acked, world.stream.close()]);
      await world.reopen();
      const batch = await world.read(target, 0, await world.stream.endOffset(target));
      assert.deepEqual(
        batch.records.map(({ offset }) => offset),
        (await acked).flat(),
      );
      assert.deepEqual(
        batch.records.map(({ value }) => Buffer.from(value).toString()),
        texts(50),
      );
    },
  },
  {
    name: 'after reopening, records, identity and offsets are what they were',
    needs: 'reopen',
    async run(world) {
      const target = await world.topic(2);
      const identity = await world.stream.identity(target.topic);
      const offsets = await world.appendTexts(target, texts(10));
      const droppable = await world.stream.append(
        { topic: target.topic, partition: 1 },
        [{ key: 'k', value: new Uint8Array(1), headers: {} }],
        { durability: 'droppable' },
      );
      await world.reopen();
      assert.deepEqual(await world.stream.identity(target.topic), identity);
      assert.ok((await world.stream.listTopics()).includes(target.topic));
      const next = await world.appendTexts(target, ['next']);
      assert.ok(next[0]! > offsets[9]!);
      const follower = await world.collect(target, 0);
      await follower.untilText('next');
      assert.deepEqual(follower.texts, [...texts(10), 'next']);
      assert.deepEqual(follower.offsets, [...offsets, ...next]);
      const [after] = await world.appendTexts({ topic: target.topic, partition: 1 }, ['x']);
      assert.ok(after! > droppable[0]!, 'the offset of a droppable record is never given again');
    },
  },
];
