import type { Admin } from 'kafkajs';
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { isAppError } from '../../lib/errors.ts';
import type { BatchContext, Stream, TopicPartition } from '../../lib/stream/port.ts';
import { gate } from '../contract/stream-checks/harness.ts';
import { waitFor } from '../support/wait.ts';
import { openAdmin, openStream, sharedBrokers, trim } from './support/kafka-harness.ts';

/** Kafka allows less, but a machine that stands still for some seconds is none that hangs. */
const SESSION_MS = 10_000;
/** A group takes its time until it has found together. */
const SLOW = { timeoutMs: 90_000 };
const record = (text: string) => ({ key: 'k', value: Buffer.from(text), headers: {} });

describe('a group on Kafka', () => {
  const streams: Stream[] = [];
  let stream: Stream;
  let admin: Admin;

  const open = async () => {
    const opened = await openStream(sharedBrokers(), { sessionTimeoutMs: SESSION_MS, closeTimeoutMs: 4000 });
    streams.push(opened);
    return opened;
  };

  beforeAll(async () => {
    admin = await openAdmin(sharedBrokers());
    stream = await open();
  });

  afterEach(async () => {
    await Promise.all(streams.splice(1).map((each) => each.close()));
  });

  afterAll(async () => {
    await Promise.all([admin?.disconnect(), ...streams.map((each) => each.close())]);
  });

  async function topic(partitions = 1): Promise<TopicPartition> {
    const name = `group-${randomUUID()}`;
    await stream.ensureTopics([{ topic: name, kind: 'doc', partitions }]);
    return { topic: name, partition: 0 };
  }

  it('gives the partition of a member that hangs to another, and the member knows; heartbeats keep it', async () => {
    const [hanging, working] = [await topic(), await topic()];
    const [one, two] = [await open(), await open()];
    const release = gate();
    const contexts: Record<string, BatchContext> = {};
    const taken: string[] = [];
    let beats = 0;
    const consume = (member: Stream, name: string, target: TopicPartition, work: () => Promise<void>) =>
      member.consume({
        group: `g-${target.topic}`,
        topics: [target.topic],
        startOffset: async () => 0,
        onBatch: async (batch, context) => {
          taken.push(name);
          contexts[name] ??= context;
          await work();
          return batch.nextOffset;
        },
      });
    const untilReleased = async () => release.opened;
    const withHeartbeats = async () => {
      let done = false;
      void release.opened.then(() => (done = true));
      await waitFor(
        async () => {
          await contexts.working!.heartbeat();
          beats++;
          return done;
        },
        { timeoutMs: 300_000, intervalMs: 500, what: 'the release' },
      );
    };
    for (const target of [hanging, working]) await stream.append(target, [record('x')]);
    await consume(one, 'hanging', hanging, untilReleased);
    await consume(one, 'working', working, withHeartbeats);
    await waitFor(() => contexts.hanging && contexts.working, { ...SLOW, what: 'both work' });
    expect(contexts.hanging!.isStale()).toBe(false);
    await consume(two, 'successor', hanging, async () => undefined);
    await consume(two, 'idle', working, async () => undefined);
    await waitFor(() => taken.includes('successor'), { timeoutMs: 90_000, what: 'the take-over' });
    // Its session begins with the answer to a heartbeat, at the broker with the question.
    await waitFor(() => contexts.hanging!.isStale(), { timeoutMs: SESSION_MS, what: 'the member knows' });
    expect(beats).toBeGreaterThan(3);
    // The other one has heard of the rebalance, and still had its partition: nobody else was given it.
    expect(taken.filter((name) => name === 'idle')).toEqual([]);
    release.open();
  });

  it('tells a position that is trimmed while it runs, instead of reading on from somewhere else', async () => {
    const target = await topic();
    const errors: string[] = [];
    const seen: { fetchOffset: number; texts: string[] }[] = [];
    let position = 0;
    let isStoreAway = true;
    await stream.append(target, [record('a')]);
    const member = await stream.consume({
      group: randomUUID(),
      topics: [target.topic],
      startOffset: async () => position,
      onBatch: async (batch) => {
        if (isStoreAway) throw new Error('the store is away');
        seen.push({
          fetchOffset: batch.fetchOffset,
          texts: batch.records.map(({ value }) => Buffer.from(value).toString()),
        });
        position = batch.nextOffset;
        return position;
      },
      onError: (error) => void errors.push(isAppError(error) ? error.type : error.message),
    });
    await waitFor(() => errors.length > 0, { ...SLOW, what: 'the first rejection' });
    await stream.append(target, [record('b'), record('c'), record('d')]);
    await trim(admin, target, 2);
    isStoreAway = false;
    const taken = () => seen.flatMap(({ texts }) => texts);
    await waitFor(() => errors.includes('STREAM_OFFSET_OUT_OF_RANGE') || taken().includes('d'), {
      ...SLOW,
      what: 'the alarm',
    });
    if (taken().includes('d')) {
      // All of it was fetched before the trim: then nothing is missing.
      expect(seen[0]!.fetchOffset).toBe(0);
      expect(taken()).toEqual(['a', 'b', 'c', 'd']);
    } else {
      // The first one may have been fetched before, and have come only now.
      const before = seen.length;
      expect([[], ['a']]).toContainEqual(taken());
      position = 2;
      await waitFor(() => seen.length > before, {
        ...SLOW,
        what: 'it goes on from a position that is there',
      });
      expect(seen[before]).toEqual({ fetchOffset: 2, texts: ['c', 'd'] });
    }
    await member.stop();
  });

  it('tells a topic that was made again, and never mixes its records with those of the first', async () => {
    const target = await topic();
    const errors: string[] = [];
    const texts: string[] = [];
    const positions = new Map<string, number>();
    const member = await stream.consume({
      group: randomUUID(),
      topics: [target.topic],
      startOffset: async ({ topic: name }) => positions.get(name) ?? 0,
      onBatch: async (batch) => {
        texts.push(...batch.records.map(({ value }) => Buffer.from(value).toString()));
        positions.set(batch.topic, batch.nextOffset);
        return batch.nextOffset;
      },
      onError: (error) => void errors.push(isAppError(error) ? error.type : error.message),
    });
    await stream.append(target, [record('old')]);
    await waitFor(() => texts.includes('old'), { ...SLOW, what: 'the first record' });
    await admin.deleteTopics({ topics: [target.topic] });
    await waitFor(
      async () => {
        await stream.ensureTopics([{ topic: target.topic, kind: 'doc', partitions: 1 }]);
        const [offset] = await stream.append(target, [record('new'), record('newer')]);
        return offset !== undefined;
      },
      { what: 'the topic is there again', timeoutMs: 60_000 },
    );
    await waitFor(() => errors.includes('STREAM_IDENTITY_CHANGED'), { ...SLOW, what: 'the alarm' });
    await member.stop();
    expect(texts).toEqual(['old']);
  });

  it('goes on with its other topics when one of them is deleted', async () => {
    const [kept, gone] = [await topic(), await topic()];
    const texts: string[] = [];
    const positions = new Map<string, number>();
    const member = await stream.consume({
      group: randomUUID(),
      topics: [kept.topic, gone.topic],
      startOffset: async ({ topic: name }) => positions.get(name) ?? 0,
      onBatch: async (batch) => {
        texts.push(...batch.records.map(({ value }) => Buffer.from(value).toString()));
        positions.set(batch.topic, batch.nextOffset);
        return batch.nextOffset;
      },
    });
    for (const target of [kept, gone]) await stream.append(target, [record(`before ${target.topic}`)]);
    await waitFor(() => texts.length === 2, { ...SLOW, what: 'both topics' });
    await admin.deleteTopics({ topics: [gone.topic] });
    await stream.append(kept, [record('after')]);
    await waitFor(() => texts.includes('after'), { ...SLOW, what: 'the kept topic goes on' });
    await stream.append(kept, [record('later')]);
    await waitFor(() => texts.includes('later'), { ...SLOW, what: 'and on' });
    expect(texts).toHaveLength(4);
    await member.stop();
  });
});
