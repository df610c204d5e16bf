import { randomUUID } from 'node:crypto';
import { performance as nodePerformance } from 'node:perf_hooks';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { Stream, TopicPartition } from '../../lib/stream/port.ts';
import { waitFor } from '../support/wait.ts';
import { openStream, sharedBrokers } from './support/kafka-harness.ts';

const record = (bytes: number) => ({ key: 'k', value: new Uint8Array(bytes), headers: {} });

describe('appends on Kafka', () => {
  const streams: Stream[] = [];
  const warnings: string[] = [];
  const onWarning = (warning: Error) => void warnings.push(warning.name);

  const open = async (options: Parameters<typeof openStream>[1] = {}) => {
    const opened = await openStream(sharedBrokers(), options);
    streams.push(opened);
    return opened;
  };

  const topic = async (stream: Stream): Promise<TopicPartition> => {
    const name = `append-${randomUUID()}`;
    await stream.ensureTopics([{ topic: name, kind: 'doc', partitions: 1 }]);
    return { topic: name, partition: 0 };
  };

  beforeAll(() => void process.on('warning', onWarning));
  afterEach(() => Promise.all(streams.splice(0).map((each) => each.close())));
  afterAll(() => void process.off('warning', onWarning));

  it('beyond the buffer are refused at once, and taken again when it has room', async () => {
    const stream = await open({ producerBufferBytes: 100_000 });
    const target = await topic(stream);
    const first = stream.append(target, [record(90_000)]);
    await expect(stream.append(target, [record(20_000)])).rejects.toMatchObject({
      type: 'STREAM_BUFFER_FULL',
    });
    await expect(first).resolves.toEqual([0]);
    await expect(stream.append(target, [record(20_000)])).resolves.toEqual([1]);
    // One that is larger than the whole buffer still gets through when nothing else waits.
    await expect(stream.append(target, [record(300_000)])).resolves.toEqual([2]);
  });

  it('that are droppable have a buffer of their own', async () => {
    const stream = await open({ producerBufferBytes: 100_000, droppableBufferBytes: 1000 });
    const target = await topic(stream);
    const outcomes = await Promise.allSettled(
      Array.from({ length: 20 }, () => stream.append(target, [record(200)], { durability: 'droppable' })),
    );
    const kept = outcomes.filter(({ status }) => status === 'fulfilled');
    expect(kept.length).toBeGreaterThan(0);
    expect(kept.length).toBeLessThan(20);
    await expect(stream.append(target, [record(50_000)])).resolves.toHaveLength(1);
  });

  it('of many partitions at once keep the order of each', async () => {
    const stream = await open();
    const name = `append-${randomUUID()}`;
    await stream.ensureTopics([{ topic: name, kind: 'doc', partitions: 8 }]);
    const calls = Array.from({ length: 2000 }, (_, at) =>
      stream.append({ topic: name, partition: at % 8 }, [record(at % 50)]).then(([offset]) => offset!),
    );
    const offsets = await Promise.all(calls);
    for (let partition = 0; partition < 8; partition++) {
      const own = offsets.filter((_, at) => at % 8 === partition);
      expect(own).toEqual(own.map((_, at) => at));
    }
  });

  it('leave no timer behind that spins: kafkajs would warn of a negative one', async () => {
    const stream = await open();
    const target = await topic(stream);
    for (let i = 0; i < 20; i++) await stream.append(target, [record(10)]);
    // A timer that spins takes a turn of the loop each millisecond, connections some dozens a second.
    const turns = () => nodePerformance.nodeTiming.uvMetricsInfo.loopCount;
    const before = turns();
    const began = performance.now();
    await waitFor(() => performance.now() - began > 1000, { intervalMs: 250 });
    expect(warnings).not.toContain('TimeoutNegativeWarning');
    expect((turns() - before) / ((performance.now() - began) / 1000)).toBeLessThan(300);
  });
});
