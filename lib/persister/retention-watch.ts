import type { Clock } from '../clock.ts';
import { isAppError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Stream } from '../stream/port.ts';
import type { StoredPosition } from './persister.ts';
import { Sweeper } from './sweeper.ts';

export interface RetentionWatchParts {
  stream: Pick<Stream, 'startOffset' | 'read' | 'retention'>;
  /** Where the assigned partitions stand, or stood before the store was away; rejects while the log is away. */
  positions: () => Promise<readonly StoredPosition[]>;
  /** Room for one record. */
  maxRecordBytes: number;
  sweepMs: number;
  clock: Clock;
  logger: Logger;
}

export interface RetentionStatus {
  /** Records between the stored positions and the end of the log. */
  lagRecords: number;
  /** Age of the oldest record that is not stored. */
  oldestUnstoredMs: number;
  /** The largest part of its retention that a partition has used up; at 1 records are lost for the store. */
  usedRatio: number;
  /** Partitions, as `topic/partition`, that have used up more than half. */
  near: string[];
}

const WARN_RATIO = 0.5;
/** Below this the share of offsets says nothing about bytes. */
const MIN_LAG_RECORDS = 1_000;

/** Compares what is not stored yet with what the log will soon forget. */
export class RetentionWatch {
  readonly #parts: RetentionWatchParts;
  readonly #sweeper: Sweeper;
  #status: RetentionStatus = { lagRecords: 0, oldestUnstoredMs: 0, usedRatio: 0, near: [] };

  constructor(parts: RetentionWatchParts) {
    this.#parts = parts;
    const { clock, sweepMs } = parts;
    this.#sweeper = new Sweeper({ clock, everyMs: sweepMs, sweep: () => this.sweep() });
  }

  start(): void {
    this.#sweeper.start();
  }

  /** Waits for the sweep that runs. Idempotent. */
  stop(): Promise<void> {
    return this.#sweeper.stop();
  }

  /** As the last sweep found it. */
  status(): RetentionStatus {
    return this.#status;
  }

  /** Never rejects: while the log is away the last status stays. */
  async sweep(): Promise<void> {
    const { positions, logger } = this.#parts;
    try {
      const found: RetentionStatus = { lagRecords: 0, oldestUnstoredMs: 0, usedRatio: 0, near: [] };
      for (const position of await positions()) {
        if (position.lag === 0) continue;
        const { ageMs, ratio } = await this.#look(position);
        found.lagRecords += position.lag;
        found.oldestUnstoredMs = Math.max(found.oldestUnstoredMs, ageMs);
        found.usedRatio = Math.max(found.usedRatio, ratio);
        if (ratio > WARN_RATIO) found.near.push(`${position.topic}/${position.partition}`);
      }
      if (found.near.length > 0 && this.#status.near.length === 0)
        logger.error({ ...found }, 'the log will soon forget what is not stored yet');
      this.#status = found;
    } catch (error) {
      logger.warn({ err: error }, 'looking at the retention failed: later again');
    }
  }

  async #look(position: StoredPosition): Promise<{ ageMs: number; ratio: number }> {
    const { stream } = this.#parts;
    const { topic } = position;
    const { retentionMs = Infinity, retentionBytes = Infinity } = (await stream.retention?.(topic)) ?? {};
    try {
      const ageMs = await this.#ageOf(position);
      const byBytes = retentionBytes === Infinity ? 0 : await this.#usedOffsets(position);
      return { ageMs, ratio: Math.max(ageMs / retentionMs, byBytes) };
    } catch (error) {
      if (!isAppError(error, 'STREAM_OFFSET_OUT_OF_RANGE')) throw error;
      return { ageMs: 0, ratio: 1 }; // too late
    }
  }

  async #ageOf({ topic, partition, nextOffset }: StoredPosition): Promise<number> {
    const { stream, maxRecordBytes, clock } = this.#parts;
    const range = { fromOffset: nextOffset, toOffset: nextOffset + 1 };
    const { records } = await stream.read({ topic, partition, ...range, maxBytes: maxRecordBytes });
    const [oldest] = records;
    return oldest ? Math.max(0, clock.wallTime() - oldest.timestampMs) : 0;
  }

  /** The log is cut by size: how far the beginning has come to the stored position. */
  async #usedOffsets({ topic, partition, nextOffset, lag }: StoredPosition): Promise<number> {
    const first = await this.#parts.stream.startOffset({ topic, partition });
    if (first === 0 || lag < MIN_LAG_RECORDS) return 0;
    return Math.min(1, lag / (nextOffset + lag - first));
  }
}
