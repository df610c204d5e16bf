import { AppError } from '../../../lib/errors.ts';
import type { StreamRecord } from '../../../lib/stream/port.ts';
import type { Counters } from '../engine/counters.ts';
import type { SimProcess } from '../engine/process.ts';
import type { Weather } from '../engine/weather.ts';
import type { LogPartition } from './log.ts';

interface Waiting {
  records: readonly StreamRecord[];
  resolve: (offsets: number[]) => void;
  reject: (error: Error) => void;
}

interface Fate {
  kind: 'ok' | 'lost' | 'fail' | 'late' | 'hang';
  /** When it is in the log; undefined = never. */
  appliedAfterMs: number | undefined;
  answeredAfterMs: number;
}

export interface AppendLaneParts {
  process: SimProcess;
  partition: LogPartition;
  weather: Weather;
  counters: Counters;
}

const HANG_MS = 9_000;

/**
 * What one process appends to one partition: one send at a time, the next one takes all that has come meanwhile. A
 * send that failed takes everything with it that waits behind it. One that failed may still be carried out later.
 */
export class AppendLane {
  readonly #parts: AppendLaneParts;
  #queue: Waiting[] = [];
  #isInFlight = false;

  constructor(parts: AppendLaneParts) {
    this.#parts = parts;
  }

  get isInFlight(): boolean {
    return this.#isInFlight;
  }

  append(records: readonly StreamRecord[]): Promise<number[]> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ records, resolve, reject });
      this.#pump();
    });
  }

  #pump(): void {
    if (this.#isInFlight || this.#queue.length === 0) return;
    const sent = this.#queue;
    this.#queue = [];
    this.#isInFlight = true;
    const { process, partition, counters } = this.#parts;
    const fate = this.#fate();
    if (fate.kind !== 'ok') counters.count(`append-${fate.kind}`);
    let offsets: number[] = [];
    if (fate.appliedAfterMs !== undefined) {
      const outlivesSender = process.random.chance(0.6);
      process.scheduler.after(fate.appliedAfterMs, `append ${partition.partition}`, () => {
        if (process.isDead && !outlivesSender) return;
        if (process.isDead) counters.count('append-of-the-dead');
        offsets = partition.append(sent.flatMap(({ records }) => records));
      });
    }
    process.after(fate.answeredAfterMs, fate.kind === 'ok' ? 'appended' : 'append failed', () => {
      this.#isInFlight = false;
      if (fate.kind === 'ok') {
        let at = 0;
        for (const { records, resolve } of sent) resolve(offsets.slice(at, (at += records.length)));
      } else {
        const behind = this.#queue;
        this.#queue = [];
        for (const { reject } of [...sent, ...behind]) reject(new AppError('STREAM_APPEND_FAILED'));
      }
      this.#pump();
    });
  }

  #fate(): Fate {
    const { process, weather } = this.#parts;
    const { random, name } = process;
    const isSlow = weather.is('append-slow', name);
    const thereMs = isSlow ? random.next() * 2_000 : random.delay(3, 60);
    const backMs = isSlow ? random.next() * 1_000 : random.delay(3, 60);
    const both = thereMs + backMs;
    const away = weather.until('log-away', name);
    if (away > 0)
      return {
        kind: 'fail',
        appliedAfterMs: undefined,
        answeredAfterMs: Math.min(away - process.clock.now(), random.int(100, 3_000)),
      };
    if (!random.chance(0.7)) return { kind: 'ok', appliedAfterMs: thereMs, answeredAfterMs: both };
    if (weather.is('append-lost', name))
      return { kind: 'lost', appliedAfterMs: thereMs, answeredAfterMs: both + random.next() * 300 };
    if (weather.is('append-fail', name))
      return { kind: 'fail', appliedAfterMs: undefined, answeredAfterMs: both };
    if (weather.is('append-late', name))
      return {
        kind: 'late',
        answeredAfterMs: both,
        appliedAfterMs: both + random.next() * random.pick([20, 300, 3_000]),
      };
    if (weather.is('append-hang', name))
      return {
        kind: 'hang',
        appliedAfterMs: random.chance(0.5) ? thereMs : undefined,
        answeredAfterMs: HANG_MS,
      };
    return { kind: 'ok', appliedAfterMs: thereMs, answeredAfterMs: both };
  }
}
