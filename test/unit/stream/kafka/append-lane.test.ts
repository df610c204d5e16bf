import { describe, expect, it } from '@jest/globals';
import type { Clock } from '../../../../lib/clock.ts';
import { AppError } from '../../../../lib/errors.ts';
import { sizeOf } from '../../../../lib/stream/kafka/append-bounds.ts';
import { AppendLane, type LaneParts } from '../../../../lib/stream/kafka/append-lane.ts';
import type { StreamRecord } from '../../../../lib/stream/port.ts';

/** Time that stands still until it is moved. */
class ManualClock implements Clock {
  #now = 0;
  #timers: { at: number; callback: () => void }[] = [];

  now = () => this.#now;
  wallTime = () => this.#now;
  setImmediate = (callback: () => void) => void setImmediate(callback);

  setTimeout(callback: () => void, delayMs: number) {
    const timer = { at: this.#now + delayMs, callback };
    this.#timers.push(timer);
    return { cancel: () => void (this.#timers = this.#timers.filter((other) => other !== timer)) };
  }

  advance(ms: number): void {
    this.#now += ms;
    const due = this.#timers.filter(({ at }) => at <= this.#now);
    this.#timers = this.#timers.filter(({ at }) => at > this.#now);
    for (const { callback } of due) callback();
  }
}

/** A log that answers when it is told to. */
class FakeLog {
  readonly sends: string[][] = [];
  readonly settle: { resolve: (offset: number) => void; reject: (error: unknown) => void }[] = [];
  prepared = 0;
  releasedBytes = 0;
  timeouts = 0;
  prepare: () => Promise<void> = async () => undefined;

  readonly events: LaneParts['events'] = {
    send: (_target, records) => {
      this.sends.push(records.map(textOf));
      return new Promise((resolve, reject) => this.settle.push({ resolve, reject }));
    },
    prepare: () => {
      this.prepared++;
      return this.prepare();
    },
    onTimeout: () => void this.timeouts++,
    onReleased: (bytes) => void (this.releasedBytes += bytes),
  };
}

const textOf = ({ value }: StreamRecord) => Buffer.from(value).toString();
const record = (text: string): StreamRecord => ({ key: 'k', value: Buffer.from(text), headers: {} });
const soon = () => new Promise((resolve) => setImmediate(resolve));

function makeLane() {
  const clock = new ManualClock();
  const log = new FakeLog();
  const lane = new AppendLane({ topic: 't', partition: 0 }, { clock, timeoutMs: 1000, events: log.events });
  const append = (...texts: string[]) => {
    const records = texts.map(record);
    const outcome = { state: 'waiting' as unknown };
    void lane
      .append(
        records,
        records.reduce((sum, one) => sum + sizeOf(one), 0),
      )
      .then(
        (offsets) => (outcome.state = offsets),
        (error: AppError) => (outcome.state = error.type),
      );
    return outcome;
  };
  return { clock, log, lane, append };
}

describe('the appends of one partition', () => {
  it('go together when they come together, and have one send in flight', async () => {
    const { log, append } = makeLane();
    const [a, b] = [append('a'), append('b1', 'b2')];
    await soon();
    expect(log.sends).toEqual([['a', 'b1', 'b2']]);
    const c = append('c');
    const d = append('d');
    await soon();
    expect(log.sends).toHaveLength(1);
    log.settle[0]!.resolve(10);
    await soon();
    expect([a.state, b.state]).toEqual([[10], [11, 12]]);
    expect(log.sends[1]).toEqual(['c', 'd']);
    log.settle[1]!.resolve(13);
    await soon();
    expect([c.state, d.state]).toEqual([[13], [14]]);
    expect(log.prepared).toBe(1);
  });

  it('are split by bytes and number, and a call resolves when all of it is in the log', async () => {
    const { log, append } = makeLane();
    const many = append(...Array.from({ length: 700 }, (_, at) => String(at)));
    const large = append('x'.repeat(900_000), 'y'.repeat(900_000));
    await soon();
    for (let at = 0; log.settle[at]; at++) {
      if (at < 2) expect(many.state).toBe('waiting');
      log.settle[at]!.resolve(1000 * at);
      await soon();
    }
    expect(log.sends.map((send) => send.length)).toEqual([500, 201, 1]);
    expect((many.state as number[]).slice(498, 502)).toEqual([498, 499, 1000, 1001]);
    expect(large.state).toEqual([1200, 2000]);
  });

  it('are rejected with all that waits behind a failed send, so that nothing overtakes it', async () => {
    const { log, append } = makeLane();
    const first = append('1');
    await soon();
    const second = append('2');
    log.settle[0]!.reject(new Error('broken pipe'));
    await soon();
    expect([first.state, second.state]).toEqual(['STREAM_APPEND_FAILED', 'STREAM_APPEND_FAILED']);
    const third = append('3');
    await soon();
    // Before the next send the end of the partition is read.
    expect(log.prepared).toBe(2);
    expect(log.sends[1]).toEqual(['3']);
    log.settle[1]!.resolve(5);
    await soon();
    expect(third.state).toEqual([5]);
    expect(log.releasedBytes).toBe(6);
  });

  it('go on behind a record that is refused for good', async () => {
    const { log, append } = makeLane();
    const first = append('1');
    await soon();
    const second = append('2');
    log.settle[0]!.reject(new AppError('STREAM_RECORD_TOO_LARGE'));
    await soon();
    expect(first.state).toBe('STREAM_RECORD_TOO_LARGE');
    log.settle[1]!.resolve(7);
    await soon();
    expect(second.state).toEqual([7]);
  });

  it('that wait too long are rejected with all behind them; nothing new is sent before the old send has ended', async () => {
    const { clock, log, append } = makeLane();
    const first = append('1');
    await soon();
    clock.advance(600);
    const second = append('2');
    clock.advance(400);
    await soon();
    expect([first.state, second.state]).toEqual(['STREAM_APPEND_FAILED', 'STREAM_APPEND_FAILED']);
    expect(log.timeouts).toBe(1);
    const third = append('3');
    await soon();
    expect(log.sends).toEqual([['1']]);
    log.settle[0]!.resolve(0);
    await soon();
    expect(log.sends[1]).toEqual(['3']);
    log.settle[1]!.resolve(1);
    await soon();
    expect(third.state).toEqual([1]);
  });

  it('have their time from the last answer on: a lane that moves is only slow', async () => {
    const { clock, log, append } = makeLane();
    append('1');
    await soon();
    const second = append('2');
    clock.advance(900);
    log.settle[0]!.resolve(0);
    await soon();
    clock.advance(900);
    expect([second.state, log.timeouts]).toEqual(['waiting', 0]);
    clock.advance(100);
    await soon();
    expect([second.state, log.timeouts]).toEqual(['STREAM_APPEND_FAILED', 1]);
  });

  it('to a missing topic are refused, and tried again later', async () => {
    const { log, append } = makeLane();
    log.prepare = () => Promise.reject(new AppError('STREAM_TOPIC_MISSING'));
    const first = append('1');
    await soon();
    expect(first.state).toBe('STREAM_TOPIC_MISSING');
    log.prepare = async () => undefined;
    const second = append('2');
    await soon();
    log.settle[0]!.resolve(0);
    await soon();
    expect(second.state).toEqual([0]);
  });
});
