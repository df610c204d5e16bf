import { describe, expect, it } from '@jest/globals';
import type { AppError } from '../../../../lib/errors.ts';
import { DroppableLane, type PartitionRecord } from '../../../../lib/stream/kafka/droppable-lane.ts';
import { ManualClock } from '../../gateway/manual-clock.ts';

const TIMEOUT_MS = 1_000;
const soon = () => new Promise((resolve) => setImmediate(resolve));

/** A lane to a log that answers when it is told to. */
function makeLane(prepare: () => Promise<void> = async () => undefined) {
  const clock = new ManualClock();
  const sends: string[][] = [];
  const answers: ((answer: Record<number, number> | Error) => void)[] = [];
  const told = { prepared: 0, timeouts: 0, releasedBytes: 0 };
  const lane = new DroppableLane({
    clock,
    timeoutMs: TIMEOUT_MS,
    prepare: () => {
      told.prepared++;
      return prepare();
    },
    send: (records: readonly PartitionRecord[]) => {
      sends.push(records.map(({ partition, record }) => `${partition}:${record.key}`));
      return new Promise((resolve, reject) =>
        answers.push((answer) => {
          if (answer instanceof Error) return reject(answer);
          resolve(new Map(Object.entries(answer).map(([partition, offset]) => [Number(partition), offset])));
        }),
      );
    },
    onTimeout: () => void told.timeouts++,
    onReleased: (bytes) => void (told.releasedBytes += bytes),
  });
  const append = (partition: number, ...keys: string[]) => {
    const outcome = { state: 'waiting' as unknown };
    const records = keys.map((key) => ({ key, value: new Uint8Array(), headers: {} }));
    lane.append({ partition, records, bytes: keys.length }).then(
      (offsets) => (outcome.state = offsets),
      (error: AppError) => (outcome.state = error.type),
    );
    return outcome;
  };
  return { clock, lane, sends, answers, told, append };
}

describe('appends that may be lost', () => {
  it('go together, those of several partitions too; what comes meanwhile goes in the next send', async () => {
    const { lane, sends, answers, told, append } = makeLane();
    const [a, b, c] = [append(0, 'a'), append(3, 'b1', 'b2'), append(0, 'c')];
    await soon();
    const [d, e] = [append(0, 'd'), append(1, 'e')];
    await soon();
    expect(sends).toEqual([['0:a', '3:b1', '3:b2', '0:c']]);
    answers[0]!({ 0: 10, 3: 7 });
    await soon();
    expect([a.state, b.state, c.state]).toEqual([[10], [7, 8], [11]]);
    expect(sends[1]).toEqual(['0:d', '1:e']);
    // One partition has no leader now.
    answers[1]!({ 1: 0 });
    await soon();
    expect([d.state, e.state]).toEqual(['STREAM_APPEND_FAILED', [0]]);
    expect([told, lane.isIdle]).toEqual([{ prepared: 1, timeouts: 0, releasedBytes: 6 }, true]);
  });

  it('lose only the failed send, after which the topic is looked for again', async () => {
    const { sends, answers, told, append } = makeLane();
    const first = append(0, '1');
    await soon();
    const second = append(1, '2');
    answers[0]!(new Error('broken pipe'));
    await soon();
    expect([first.state, told.prepared]).toEqual(['STREAM_APPEND_FAILED', 2]);
    answers[1]!({ 1: 4 });
    await soon();
    expect([second.state, sends.length]).toEqual([[4], 2]);
  });

  it('are rejected while there is no such topic, and wait no longer than the limit for a log that hangs', async () => {
    let isThere = false;
    const { clock, answers, told, append } = makeLane(async () => {
      if (!isThere) throw new Error('no such topic');
    });
    const none = append(0, 'none');
    await soon();
    expect(none.state).toBe('STREAM_APPEND_FAILED');
    isThere = true;
    const sent = append(0, 'sent');
    await soon();
    const waits = append(1, 'waits');
    clock.advance(TIMEOUT_MS);
    await soon();
    expect([sent.state, waits.state, told.timeouts]).toEqual([
      'STREAM_APPEND_FAILED',
      'STREAM_APPEND_FAILED',
      1,
    ]);
    const later = append(1, 'later');
    clock.advance(TIMEOUT_MS);
    await soon();
    expect([later.state, told.timeouts]).toEqual(['STREAM_APPEND_FAILED', 2]);
    // The answer comes after all.
    const last = append(1, 'last');
    answers[0]!({ 0: 5 });
    await soon();
    answers[1]!({ 1: 6 });
    await soon();
    expect([last.state, told.releasedBytes]).toEqual([[6], 5]);
  });

  it('are split by number, each call in one send', async () => {
    const { sends, answers, append } = makeLane();
    const keys = Array.from({ length: 300 }, (_, at) => String(at));
    const [a, b] = [append(0, ...keys), append(1, ...keys)];
    await soon();
    answers[0]!({ 0: 0 });
    await soon();
    answers[1]!({ 1: 0 });
    await soon();
    expect(sends.map(({ length }) => length)).toEqual([300, 300]);
    expect([(a.state as number[]).at(-1), (b.state as number[]).at(-1)]).toEqual([299, 299]);
  });
});
