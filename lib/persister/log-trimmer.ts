import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';
import type { Stream, TopicPartition } from '../stream/port.ts';
import { Sweeper } from './sweeper.ts';

export interface LogTrimmerParts {
  stream: Pick<Stream, 'startOffset' | 'endOffset'> & Required<Pick<Stream, 'trim'>>;
  /** What the store says about each partition, asked anew for each sweep; rejects while the store is away. */
  stored: () => Promise<readonly (TopicPartition & { nextOffset: number })[]>;
  /** Commands are of use to running processes only: of this topic the last `keepRecords` stay. */
  controlTopic: string;
  /** Offsets behind the stored position that stay in the log: joins and resumes of present clients need no store. */
  keepRecords: number;
  sweepMs: number;
  clock: Clock;
  logger: Logger;
}

/** Less than this share of the kept tail is not worth a commit. */
const WORTHWHILE_SHARE = 0.1;

/**
 * Keeps a log that has no retention of its own from growing for ever: now and then it is trimmed, never beyond what
 * the store has. A failure is logged and the next sweep tries again.
 */
export class LogTrimmer {
  readonly #parts: LogTrimmerParts;
  readonly #sweeper: Sweeper;
  #stopped = false;

  constructor(parts: LogTrimmerParts) {
    this.#parts = parts;
    const { clock, sweepMs } = parts;
    this.#sweeper = new Sweeper({ clock, everyMs: sweepMs, sweep: () => this.sweep() });
  }

  start(): void {
    this.#sweeper.start();
  }

  /** Waits for the sweep that runs. Idempotent. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#sweeper.stop();
  }

  /** Trims what can go now. Never rejects. */
  async sweep(): Promise<void> {
    const { stored, stream, controlTopic, logger } = this.#parts;
    try {
      for (const { topic, partition, nextOffset } of await stored())
        await this.#trim({ topic, partition }, nextOffset);
      const control = { topic: controlTopic, partition: 0 };
      await this.#trim(control, await stream.endOffset(control));
    } catch (error) {
      logger.warn({ err: error }, 'trimming the log failed: later again');
    }
  }

  async #trim(at: TopicPartition, nextOffset: number): Promise<void> {
    const { stream, keepRecords } = this.#parts;
    if (this.#stopped) return;
    const before = nextOffset - keepRecords;
    const gained = before - (await stream.startOffset(at));
    if (gained >= Math.max(1, keepRecords * WORTHWHILE_SHARE)) await stream.trim(at, before);
  }
}
