import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startKafka, type RunningKafka } from '../../scripts/dev/kafka.ts';
import { isAppError } from '../../lib/errors.ts';
import { Stopwatch } from '../support/stopwatch.ts';
import { waitFor } from '../support/wait.ts';
import { openStream } from '../kafka/support/kafka-harness.ts';
import { consumeAll, followAll, record, Seen, textOf, Writer } from '../kafka/support/log-load.ts';

const PARTITIONS = 3;
const TOPIC = 'outage';
const SLOW = { timeoutMs: 120_000 };
/** Of an append that outlives the start of a broker, also of one that takes its time. */
const PATIENT_MS = 240_000;

describe('a broker that dies', () => {
  let kafka: RunningKafka;

  beforeAll(async () => {
    kafka = await startKafka();
  });

  afterAll(async () => {
    await kafka?.stop();
  });

  it('loses no acknowledged record and reorders none; appends, follow and group go on by themselves', async () => {
    const stream = await openStream(kafka.brokers, { appendTimeoutMs: PATIENT_MS });
    try {
      await stream.ensureTopics([{ topic: TOPIC, kind: 'doc', partitions: PARTITIONS }]);
      const followed = new Seen(PARTITIONS);
      await followAll(stream, TOPIC, followed);
      const consumed = new Seen(PARTITIONS);
      await consumeAll(stream, { topic: TOPIC, group: 'outage', seen: consumed, positions: new Map() });
      const writers = Array.from(
        { length: PARTITIONS },
        (_, partition) => new Writer(stream, { topic: TOPIC, partition }),
      );
      const allAcked = (count: number) => writers.every(({ acked }) => acked.size >= count);
      await waitFor(() => allAcked(100) && consumed.texts.every((texts) => texts.length > 0), {
        ...SLOW,
        what: 'everything runs',
      });

      await kafka.kill('SIGKILL');
      expect(await stream.ping(500)).toBe(false);
      await kafka.restart();
      const before = writers.map(({ acked }) => acked.size);
      await waitFor(() => writers.every(({ acked }, at) => acked.size > before[at]! + 100), {
        ...SLOW,
        what: 'appends go on',
      });
      await Promise.all(writers.map((writer) => writer.stop()));

      const last = writers.map((writer) => [...writer.acked.keys()].at(-1)!);
      for (const seen of [followed, consumed]) {
        await waitFor(() => last.every((text) => seen.count(text) > 0), {
          ...SLOW,
          what: 'the readers come to the end',
        });
        seen.expectAllOf(writers);
        seen.expectOrdered();
      }
      expect(writers.flatMap(({ failed }) => failed)).toEqual([]);
      expect(followed.errors.length).toBeGreaterThan(0);
      expect(followed.errors.every(({ type, retrying }) => retrying && type === 'STREAM_UNAVAILABLE')).toBe(
        true,
      );
    } finally {
      await stream.close();
    }
  });

  it('lets appends fail in time, with all that waits behind them, and takes later ones', async () => {
    const stream = await openStream(kafka.brokers, { appendTimeoutMs: 1000 });
    try {
      const target = { topic: TOPIC, partition: 0 };
      // A busy broker may be later than the time limit.
      const [before] = await waitFor(
        () => stream.append(target, [record('0-before')]).catch(() => undefined),
        { ...SLOW, what: 'it works' },
      );
      await kafka.kill('SIGKILL');
      const took = new Stopwatch();
      const outcomes = await Promise.allSettled([
        stream.append(target, [record('0-a')]),
        stream.append(target, [record('0-b')]),
      ]);
      expect(took.stop()).toBeLessThan(15_000);
      const types = outcomes.map((outcome) =>
        outcome.status === 'rejected' && isAppError(outcome.reason) ? outcome.reason.type : 'resolved',
      );
      expect(types).toEqual(['STREAM_APPEND_FAILED', 'STREAM_APPEND_FAILED']);
      await kafka.restart();
      const after = await waitFor(() => stream.append(target, [record('0-after')]).catch(() => undefined), {
        ...SLOW,
        what: 'appends go on',
      });
      const range = { ...target, fromOffset: before! + 1, toOffset: after[0]! + 1 };
      const { records } = await stream.read({ ...range, maxBytes: 1_000_000 });
      // What was rejected is not known to be absent; but if it arrives, then in order and before what came later.
      const texts = records.map(textOf).filter((text) => !['0-before', '0-after'].includes(text));
      expect(['', '0-a', '0-a,0-b']).toContain(texts.join());
      expect(textOf(records.at(-1)!)).toBe('0-after');
    } finally {
      await stream.close();
    }
  });

  it('does not hold up close()', async () => {
    const stream = await openStream(kafka.brokers, { closeTimeoutMs: 4000 });
    const target = { topic: TOPIC, partition: 1 };
    await waitFor(() => stream.append(target, [record('1-x')]).catch(() => undefined), {
      ...SLOW,
      what: 'it works',
    });
    await stream.follow({ ...target, fromOffset: 0, onBatch: () => undefined });
    await stream.consume({
      group: 'closing',
      topics: [TOPIC],
      startOffset: async () => 0,
      onBatch: async (batch) => batch.nextOffset,
    });
    await kafka.kill('SIGSTOP');
    const late = stream.append(target, [record('1-y')]).then(
      () => 'resolved',
      (error: unknown) => (isAppError(error) ? error.type : String(error)),
    );
    const took = new Stopwatch();
    await stream.close();
    expect(took.stop()).toBeLessThan(15_000);
    expect(await late).toBe('STREAM_CLOSED');
    await kafka.kill('SIGCONT');
  });
});
