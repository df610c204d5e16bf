import assert from 'node:assert/strict';
import { assertRejects, texts, type StreamCheck } from './harness.ts';

export const topicChecks: StreamCheck[] = [
  {
    name: 'ensureTopics makes what is missing and leaves the rest as it is, also when called at once',
    async run(world) {
      const [known, fresh] = [world.spec(2), world.spec(3)];
      await world.stream.ensureTopics([known]);
      await world.appendTexts({ topic: known.topic, partition: 0 }, texts(3));
      const before = await world.stream.identity(known.topic);
      await Promise.all([
        world.stream.ensureTopics([known, fresh]),
        world.stream.ensureTopics([fresh, known]),
        world.stream.ensureTopics([fresh, fresh]),
      ]);
      assert.deepEqual(await world.stream.identity(known.topic), before);
      assert.equal(await world.stream.endOffset({ topic: known.topic, partition: 0 }), 3);
      assert.equal((await world.stream.identity(fresh.topic))?.partitions, 3);
      assert.deepEqual(await world.appendTexts({ topic: fresh.topic, partition: 2 }, ['x']), [0]);
    },
  },
  {
    name: 'ensureTopics refuses another partition count than the topic has',
    async run(world) {
      const { spec } = await world.topic(2);
      for (const partitions of [1, 3])
        await assertRejects(
          world.stream.ensureTopics([{ ...spec, partitions }]),
          'STREAM_PARTITIONS_CHANGED',
        );
      assert.equal((await world.stream.identity(spec.topic))?.partitions, 2);
    },
  },
  {
    name: 'a topic has an identity of its own that stays; a missing one has none',
    async run(world) {
      const [one, two] = [await world.topic(2), await world.topic()];
      const identities = [await world.stream.identity(one.topic), await world.stream.identity(two.topic)];
      const [first, second] = identities;
      assert.equal(first?.topic, one.topic);
      assert.equal(first.partitions, 2);
      assert.equal(second?.partitions, 1);
      assert.ok(first.topicId.length >= 16 && first.clusterId.length >= 16);
      assert.notEqual(first.topicId, second.topicId);
      assert.equal(first.clusterId, second.clusterId);
      assert.deepEqual(await world.stream.identity(one.topic), first);
      assert.equal(await world.stream.identity(world.spec().topic), undefined);
    },
  },
  {
    name: 'a topic that is deleted and made again has another identity, and its follow ends with an alarm',
    needs: 'deleteTopic',
    async run(world) {
      const target = await world.topic();
      const before = await world.stream.identity(target.topic);
      const follower = await world.collect(target, 0);
      await world.appendTexts(target, ['old']);
      await follower.untilText('old');
      await world.harness.deleteTopic!(target.topic);
      await world.until(async () => {
        await world.stream.ensureTopics([target.spec]);
        const now = await world.stream.identity(target.topic);
        return now !== undefined && now.topicId !== before?.topicId;
      }, 'the topic is there again');
      await world.appendTexts(target, ['new', 'newer']);
      await follower.untilError('STREAM_IDENTITY_CHANGED');
      assert.deepEqual(follower.texts, ['old']);
    },
  },
  {
    name: 'listTopics names what exists',
    async run(world) {
      const target = await world.topic();
      const names = await world.stream.listTopics();
      assert.ok(names.includes(target.topic));
      assert.ok(!names.includes(world.spec().topic));
    },
  },
  {
    name: 'topics() announces what is made after the call, once, until it is stopped',
    async run(world) {
      const before = await world.topic();
      const announced: string[] = [];
      const watch = world.stream.topics((topic) => announced.push(topic));
      const later = world.spec();
      await world.stream.ensureTopics([later]);
      await world.until(() => announced.includes(later.topic), 'the new topic is announced');
      const last = world.spec();
      await world.stream.ensureTopics([last, later]);
      await world.until(() => announced.includes(last.topic), 'the next topic is announced');
      await watch.stop();
      const afterStop = world.spec();
      const witnessed: string[] = [];
      const witness = world.stream.topics((topic) => witnessed.push(topic));
      await world.stream.ensureTopics([afterStop]);
      await world.until(() => witnessed.includes(afterStop.topic), 'the other watcher hears of it');
      await witness.stop();
      const ours = [before.topic, later.topic, last.topic, afterStop.topic];
      assert.deepEqual(
        announced.filter((topic) => ours.includes(topic)),
        [later.topic, last.topic],
      );
    },
  },
];
