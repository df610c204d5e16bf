import assert from 'node:assert/strict';
import { gate, texts, textOf, type StreamCheck } from './harness.ts';
import { consume, keyOf, Ledger } from './members.ts';

const sorted = (list: readonly string[]) => [...list].sort();

export const consumeChecks: StreamCheck[] = [
  {
    name: 'a group member gets all partitions, each in order',
    async run(world) {
      const { topic } = await world.topic(4);
      const ledger = new Ledger();
      for (let partition = 0; partition < 4; partition++)
        await world.appendTexts({ topic, partition }, texts(5, `${partition}-`));
      const member = await consume(world, { group: world.group(), topics: [topic], ledger });
      for (let partition = 0; partition < 4; partition++)
        await world.appendTexts({ topic, partition }, texts(5, `${partition}+`));
      await world.until(() => ledger.texts.length >= 40, 'all records are consumed');
      await member.stop();
      for (let partition = 0; partition < 4; partition++) {
        const ofPartition = ledger.texts.filter((text) => text.startsWith(String(partition)));
        assert.deepEqual(ofPartition, [...texts(5, `${partition}-`), ...texts(5, `${partition}+`)]);
        assert.equal(ledger.positions.get(keyOf({ topic, partition })), 10);
      }
    },
  },
  {
    name: 'a partition begins at the consumer’s own position',
    async run(world) {
      const target = await world.topic();
      const offsets = await world.appendTexts(target, texts(10));
      const ledger = new Ledger();
      ledger.positions.set(keyOf(target), offsets[6]!);
      const member = await consume(world, { group: world.group(), topics: [target.topic], ledger });
      await world.until(() => ledger.texts.includes('r9'), 'the rest is consumed');
      await member.stop();
      assert.deepEqual(ledger.texts, texts(10).slice(6));
      assert.equal(ledger.fetched.get(keyOf(target))?.[0], offsets[6]);
    },
  },
  {
    name: 'the returned offset is where consuming goes on, backwards too',
    async run(world) {
      const target = await world.topic();
      await world.appendTexts(target, texts(10));
      const seen: string[] = [];
      let sentBack = false;
      const member = await consume(world, {
        group: world.group(),
        topics: [target.topic],
        ledger: new Ledger(),
        onBatch: async (batch) => {
          seen.push(...batch.records.map(textOf));
          if (sentBack || !seen.includes('r9')) return batch.nextOffset;
          sentBack = true;
          return 4;
        },
      });
      await world.until(() => seen.filter((text) => text === 'r9').length === 2, 'the seek is followed');
      await member.stop();
      assert.deepEqual(seen, [...texts(10), ...texts(10).slice(4)]);
    },
  },
  {
    name: 'the returned offset may lie ahead: what is between does not come',
    async run(world) {
      const target = await world.topic();
      await world.appendTexts(target, ['first']);
      const seen: string[] = [];
      const first = gate();
      const member = await consume(world, {
        group: world.group(),
        topics: [target.topic],
        ledger: new Ledger(),
        onBatch: async (batch) => {
          seen.push(...batch.records.map(textOf));
          if (batch.fetchOffset > 0) return batch.nextOffset;
          await first.opened;
          return 5;
        },
      });
      await world.until(() => seen.includes('first'), 'the first batch comes');
      await world.appendTexts(target, texts(9));
      first.open();
      await world.until(() => seen.includes('r8'), 'consuming goes on');
      await member.stop();
      assert.deepEqual(seen, ['first', ...texts(9).slice(4)]);
    },
  },
  {
    name: 'a rejected batch comes again, nothing is skipped, and other partitions go on',
    async run(world) {
      const { topic } = await world.topic(2);
      const failing = { topic, partition: 0 };
      const ledger = new Ledger();
      const errors: Error[] = [];
      const attempts: { fetchOffset: number; texts: string[] }[] = [];
      let healed = false;
      await world.appendTexts(failing, texts(5, 'a'));
      const member = await consume(world, {
        group: world.group(),
        topics: [topic],
        ledger,
        errors,
        onBatch: async (batch) => {
          if (batch.partition === 0 && batch.records.length > 0) {
            attempts.push({ fetchOffset: batch.fetchOffset, texts: batch.records.map(textOf) });
            if (!healed) throw new Error('the store is away');
          }
          return ledger.take(batch);
        },
      });
      await world.until(() => attempts.length >= 1, 'the first attempt');
      await world.appendTexts({ topic, partition: 1 }, ['other']);
      await world.until(() => ledger.texts.includes('other'), 'the other partition goes on');
      await world.until(() => attempts.length >= 3, 'the batch comes again');
      healed = true;
      await world.appendTexts(failing, ['last']);
      await world.until(() => ledger.texts.includes('last'), 'the batch is accepted');
      await member.stop();
      assert.ok(attempts.slice(0, 3).every(({ fetchOffset }) => fetchOffset === 0));
      assert.ok(attempts.slice(0, 3).every((attempt) => attempt.texts[0] === 'a0'));
      assert.deepEqual(
        ledger.texts.filter((text) => text !== 'other'),
        [...texts(5, 'a'), 'last'],
      );
      assert.ok(errors.length >= 2);
    },
  },
  {
    name: 'a partition is at one member at a time, and the next member takes over without a gap',
    async run(world) {
      const { topic } = await world.topic(3);
      const group = world.group();
      const ledger = new Ledger();
      const slowly = { group, topics: [topic], ledger };
      const members = [await consume(world, slowly), await consume(world, slowly)];
      const expected: string[] = [];
      const append = async (prefix: string) => {
        for (let partition = 0; partition < 3; partition++) {
          const list = texts(20, `${prefix}${partition}-`);
          expected.push(...list);
          await world.appendTexts({ topic, partition }, list);
        }
      };
      await append('a');
      await world.until(() => ledger.texts.length >= expected.length, 'both members together');
      const owners = (partition: number) =>
        members.filter((member) => member.isAssigned({ topic, partition })).length;
      await world.until(() => [0, 1, 2].every((at) => owners(at) === 1), 'each partition has one owner');
      await members[0]!.stop();
      await world.until(() => [0, 1, 2].every((at) => owners(at) === 1), 'the second has them all');
      assert.ok(!members[0]!.isAssigned({ topic, partition: 0 }));
      await append('b');
      await world.until(() => ledger.texts.length >= expected.length, 'the second member alone');
      await members[1]!.stop();
      await append('c');
      const third = await consume(world, slowly);
      await world.until(() => ledger.texts.length >= expected.length, 'a third member later');
      await third.stop();
      assert.deepEqual(sorted(ledger.texts), sorted(expected));
      assert.ok(!ledger.overlapped, 'a partition had two members at work');
    },
  },
  {
    name: 'groups do not take records from each other',
    async run(world) {
      const target = await world.topic();
      const ledgers = [new Ledger(), new Ledger()];
      const members = await Promise.all(
        ledgers.map((ledger) => consume(world, { group: world.group(), topics: [target.topic], ledger })),
      );
      await world.appendTexts(target, texts(10));
      for (const ledger of ledgers) {
        await world.until(() => ledger.texts.length >= 10, 'each group has everything');
        assert.deepEqual(ledger.texts, texts(10));
      }
      await Promise.all(members.map((member) => member.stop()));
    },
  },
  {
    name: 'a group takes up topics that are made later and that it accepts, from their beginning',
    async run(world) {
      const first = await world.topic();
      const later = world.spec(2);
      const refused = world.spec();
      const ledger = new Ledger();
      const member = await consume(world, {
        group: world.group(),
        topics: [first.topic],
        accepts: (topic) => topic === later.topic,
        ledger,
      });
      await world.stream.ensureTopics([refused, later]);
      await world.appendTexts({ topic: refused.topic, partition: 0 }, ['refused']);
      await world.appendTexts({ topic: later.topic, partition: 1 }, texts(3));
      await world.until(() => ledger.texts.length >= 3, 'the new topic is consumed');
      await world.appendTexts(first, ['known']);
      await world.until(() => ledger.texts.includes('known'), 'the known topic still is');
      await member.stop();
      assert.deepEqual(sorted(ledger.texts), sorted([...texts(3), 'known']));
      assert.ok(!ledger.asked.has(keyOf({ topic: refused.topic, partition: 0 })));
    },
  },
  {
    name: 'a stopped member gets no further batch; its running one may end',
    async run(world) {
      const target = await world.topic();
      const ledger = new Ledger();
      const member = await consume(world, { group: world.group(), topics: [target.topic], ledger });
      await world.appendTexts(target, ['before']);
      await world.until(() => ledger.texts.includes('before'), 'the member works');
      await member.stop();
      const witness = await world.collect(target, 'end');
      for (const text of texts(5, 'after')) await world.appendTexts(target, [text]);
      await witness.untilText('after4');
      await member.stop();
      assert.deepEqual(ledger.texts, ['before']);
    },
  },
  {
    name: 'a partition whose position has been trimmed raises the alarm, the others go on',
    needs: 'trim',
    async run(world) {
      const { topic } = await world.topic(2);
      const trimmed = { topic, partition: 0 };
      const ledger = new Ledger();
      const errors: Error[] = [];
      const offsets = await world.appendTexts(trimmed, texts(10));
      await world.harness.trim!(trimmed, offsets[5]!);
      const member = await consume(world, { group: world.group(), topics: [topic], ledger, errors });
      await world.appendTexts({ topic, partition: 1 }, ['other']);
      await world.until(() => ledger.texts.includes('other'), 'the other partition goes on');
      await world.until(
        () => errors.some((error) => (error as { type?: string }).type === 'STREAM_OFFSET_OUT_OF_RANGE'),
        'the alarm is raised',
      );
      assert.deepEqual(ledger.texts, ['other']);
      ledger.positions.set(keyOf(trimmed), offsets[5]!);
      await world.until(() => ledger.texts.includes('r9'), 'it goes on once the position is right');
      await member.stop();
      assert.deepEqual(
        ledger.texts.filter((text) => text !== 'other'),
        texts(10).slice(5),
      );
    },
  },
];
