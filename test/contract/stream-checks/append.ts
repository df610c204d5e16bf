import assert from 'node:assert/strict';
import type { DeliveredRecord, StreamRecord } from '../../../lib/stream/port.ts';
import { assertRejects, record, texts, type StreamCheck } from './harness.ts';

const MIB = 1024 * 1024;

const plain = ({ key, value, headers }: StreamRecord | DeliveredRecord) => ({
  key,
  headers: { ...headers },
  value: Buffer.from(value).toString('base64'),
});

export const appendChecks: StreamCheck[] = [
  {
    name: 'append resolves with the offsets at which the records are delivered',
    async run(world) {
      const target = await world.topic();
      const follower = await world.collect(target, 0);
      const offsets = await world.appendTexts(target, texts(5, 'a'));
      offsets.push(...(await world.appendTexts(target, ['b'])));
      offsets.push(...(await world.appendTexts(target, texts(3, 'c'))));
      await follower.untilText('c2');
      assert.deepEqual(follower.texts, [...texts(5, 'a'), 'b', ...texts(3, 'c')]);
      assert.deepEqual(follower.offsets, offsets);
      assert.ok(offsets.every((offset, at) => at === 0 || offset > offsets[at - 1]!));
      assert.equal(offsets[0], 0);
    },
  },
  {
    name: 'appends to one partition are in the log in the order of the calls',
    async run(world) {
      const target = await world.topic();
      const follower = await world.collect(target, 0);
      const calls = texts(300).map((text, at) =>
        world.stream.append(target, [
          { ...record(text), headers: { pad: 'x'.repeat(at % 7 === 0 ? 3000 : 1) } },
        ]),
      );
      const offsets = (await Promise.all(calls)).flat();
      await follower.untilText('r299');
      assert.deepEqual(follower.texts, texts(300));
      assert.deepEqual(follower.offsets, offsets);
    },
  },
  {
    name: 'partitions have their own offsets and records',
    async run(world) {
      const target = await world.topic(3);
      const partitions = [0, 1, 2].map((partition) => ({ topic: target.topic, partition }));
      const followers = await Promise.all(partitions.map((partition) => world.collect(partition, 0)));
      const offsets = await Promise.all(
        partitions.map((partition, at) => world.appendTexts(partition, texts(at + 1, `p${at}-`))),
      );
      assert.deepEqual(offsets, [[0], [0, 1], [0, 1, 2]]);
      await Promise.all(followers.map((follower, at) => follower.untilText(`p${at}-${at}`)));
      followers.forEach((follower, at) => assert.deepEqual(follower.texts, texts(at + 1, `p${at}-`)));
    },
  },
  {
    name: 'what append has resolved is in the log at once',
    async run(world) {
      const target = await world.topic();
      for (const text of texts(20)) {
        const [offset] = await world.appendTexts(target, [text]);
        assert.equal(await world.stream.endOffset(target), offset! + 1);
        const batch = await world.read(target, offset!, offset! + 1);
        assert.deepEqual(
          batch.records.map((found) => Buffer.from(found.value).toString()),
          [text],
        );
      }
    },
  },
  {
    name: 'keys, headers and values come back as they were, by follow and by read',
    async run(world) {
      const target = await world.topic();
      const follower = await world.collect(target, 0);
      const everyByte = Uint8Array.from({ length: 256 }, (_, at) => at);
      const records: StreamRecord[] = [
        { key: 'empty', value: new Uint8Array(0), headers: {} },
        { key: 't/r%2F/d', value: everyByte, headers: { s: 'a', c: '1', g: '2' } },
        { key: '会議/Ünï/😀', value: everyByte.subarray(3, 9), headers: { n: 'Zürich 🚲', empty: '' } },
        { key: 'big', value: Buffer.alloc(MIB - 1024, 7), headers: {} },
        { key: 'last', value: Buffer.from('pooled').subarray(1, 3), headers: { a: 'b' } },
      ];
      await world.stream.append(target, records);
      await world.until(() => follower.records.length >= records.length, 'all records are delivered');
      assert.deepEqual(follower.records.map(plain), records.map(plain));
      const batch = await world.read(target, 0, records.length);
      assert.deepEqual(batch.records.map(plain), records.map(plain));
      assert.ok(batch.records.every((found) => Math.abs(found.timestampMs - Date.now()) < 3_600_000));
    },
  },
  {
    name: 'an append of nothing resolves with no offsets',
    async run(world) {
      const target = await world.topic();
      assert.deepEqual(await world.stream.append(target, []), []);
      assert.equal(await world.stream.endOffset(target), 0);
    },
  },
  {
    name: 'an append to a missing topic fails and makes none',
    async run(world) {
      const { topic } = world.spec();
      await assertRejects(world.appendTexts({ topic, partition: 0 }, ['x']), 'STREAM_TOPIC_MISSING');
      assert.ok(!(await world.stream.listTopics()).includes(topic));
    },
  },
  {
    name: 'a record beyond the limit is refused with its whole append, and later ones go on',
    async run(world) {
      const target = await world.topic();
      const follower = await world.collect(target, 0);
      const tooLarge = { ...record('x'), value: new Uint8Array(world.harness.maxRecordBytes + 1) };
      const refused = world.stream.append(target, [record('before'), tooLarge]);
      await assertRejects(refused, 'STREAM_RECORD_TOO_LARGE');
      await world.appendTexts(target, ['after']);
      await follower.untilText('after');
      assert.deepEqual(follower.texts, ['after']);
    },
  },
  {
    name: 'droppable records reach the followers, and offsets grow over them',
    async run(world) {
      const target = await world.topic();
      const follower = await world.collect(target, 0);
      const before = await world.appendTexts(target, ['before']);
      const droppable = await world.stream.append(target, texts(3, 'd').map(record), {
        durability: 'droppable',
      });
      const after = await world.appendTexts(target, ['after']);
      await follower.untilText('after');
      assert.deepEqual(follower.texts, ['before', ...texts(3, 'd'), 'after']);
      assert.deepEqual(follower.offsets, [...before, ...droppable, ...after]);
    },
  },
];
