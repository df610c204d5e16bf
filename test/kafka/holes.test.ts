import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { RecordBatch, Stream, TopicPartition } from '../../lib/stream/port.ts';
import { waitFor } from '../support/wait.ts';
import { openKafkaJs, openStream, sharedBrokers } from './support/kafka-harness.ts';

const SLOW = { timeoutMs: 90_000 };
const textsOf = (batches: readonly RecordBatch[]) =>
  batches.flatMap(({ records }) => records.map(({ value }) => Buffer.from(value).toString()));

/** Every batch begins where the one before it ended. */
function expectChain(batches: readonly RecordBatch[], from: number): void {
  let next = from;
  for (const batch of batches) {
    expect(batch.fetchOffset).toBe(next);
    expect(
      batch.records.every(({ offset }) => offset >= batch.fetchOffset && offset < batch.nextOffset),
    ).toBe(true);
    next = batch.nextOffset;
  }
}

describe('holes in the offsets', () => {
  let stream: Stream;
  const producer = openKafkaJs(sharedBrokers(), 'transactional').producer({
    transactionalId: `tx-${randomUUID()}`,
    maxInFlightRequests: 1,
    idempotent: true,
  });

  beforeAll(async () => {
    stream = await openStream(sharedBrokers());
    await producer.connect();
  });

  afterAll(async () => {
    await Promise.all([producer.disconnect(), stream?.close()]);
  });

  /** A transaction writes a control record behind its own: committed or aborted, it leaves a hole. */
  async function transaction(
    target: TopicPartition,
    values: string[],
    end: 'commit' | 'abort',
  ): Promise<void> {
    const running = await producer.transaction();
    const messages = values.map((value) => ({ partition: target.partition, value }));
    if (values.length > 0) await running.send({ topic: target.topic, messages });
    await running[end]();
  }

  async function topicWithHoles(): Promise<TopicPartition> {
    const target = { topic: `holes-${randomUUID()}`, partition: 0 };
    await stream.ensureTopics([{ topic: target.topic, kind: 'doc', partitions: 2 }]);
    await transaction(target, ['a', 'b'], 'commit');
    await transaction(target, ['lost1', 'lost2'], 'abort');
    await transaction(target, ['c'], 'commit');
    await transaction(target, ['lost3'], 'abort');
    // Offsets: a b (marker) lost1 lost2 (marker) c (marker) lost3 (marker).
    return target;
  }

  it('are passed by follow, read and consume; aborted and control records never come', async () => {
    const target = await topicWithHoles();
    const followed: RecordBatch[] = [];
    const consumed: RecordBatch[] = [];
    const follow = await stream.follow({
      ...target,
      fromOffset: 0,
      onBatch: (batch) => void followed.push(batch),
    });
    let position = 0;
    const member = await stream.consume({
      group: `g-${randomUUID()}`,
      topics: [target.topic],
      startOffset: async () => position,
      onBatch: async (batch) => {
        consumed.push(batch);
        position = batch.nextOffset;
        return position;
      },
    });
    await stream.append(target, [{ key: 'k', value: Buffer.from('d'), headers: {} }]);
    await transaction(target, ['e'], 'commit');
    for (const batches of [followed, consumed])
      await waitFor(() => textsOf(batches).includes('e'), { ...SLOW, what: 'the last record' });
    await Promise.all([follow.stop(), member.stop()]);

    expect(textsOf(followed)).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(textsOf(consumed)).toEqual(['a', 'b', 'c', 'd', 'e']);
    expectChain(followed, 0);
    expectChain(consumed, 0);

    const endOffset = await stream.endOffset(target);
    const whole = await stream.read({ ...target, fromOffset: 0, toOffset: endOffset, maxBytes: 1000 });
    expect(textsOf([whole])).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(whole.nextOffset).toBe(endOffset);
    // 3 commits and 2 aborts with their markers, 3 aborted records, 5 that count.
    expect(endOffset).toBe(5 + 3 + 5);
  });

  it('can be the whole of a range: reading still comes to its end', async () => {
    const target = await topicWithHoles();
    await transaction(target, ['lost'], 'abort');
    // The broker answers the end of a transaction before it has written the marker.
    await waitFor(async () => (await stream.endOffset(target)) === 12, { ...SLOW, what: 'the last marker' });
    const range = await stream.read({ ...target, fromOffset: 8, toOffset: 12, maxBytes: 1000 });
    expect(range).toMatchObject({ fetchOffset: 8, nextOffset: 12, records: [] });
  });

  it('before a batch of a group do not look like a jump: the fetch offset is where the last batch ended', async () => {
    const target = await topicWithHoles();
    const witness = { topic: target.topic, partition: 1 };
    const batches: RecordBatch[] = [];
    const witnessed: RecordBatch[] = [];
    const positions = new Map<number, number>();
    const member = await stream.consume({
      group: `g-${randomUUID()}`,
      topics: [target.topic],
      startOffset: async ({ partition }) => positions.get(partition) ?? 0,
      onBatch: async (batch) => {
        (batch.partition === 0 ? batches : witnessed).push(batch);
        positions.set(batch.partition, batch.nextOffset);
        return batch.nextOffset;
      },
    });
    await waitFor(() => textsOf(batches).includes('c'), { ...SLOW, what: 'the first batch' });
    // Nothing but holes: kafkajs passes it without a batch. The other partition shows that it has been fetched.
    await transaction(target, ['lost'], 'abort');
    for (const text of ['x', 'y']) {
      await stream.append(witness, [{ key: 'k', value: Buffer.from(text), headers: {} }]);
      await waitFor(() => textsOf(witnessed).includes(text), { ...SLOW, what: 'the other partition' });
    }
    await stream.append(target, [{ key: 'k', value: Buffer.from('d'), headers: {} }]);
    await waitFor(() => textsOf(batches).includes('d'), { ...SLOW, what: 'the batch behind the hole' });
    await member.stop();
    expectChain(batches, 0);
    expect(textsOf(batches)).toEqual(['a', 'b', 'c', 'd']);
  });
});
