import { pause, type Clock, type TimerHandle } from '../clock.ts';
import { isAppError } from '../errors.ts';
import type { Logger } from '../log.ts';
import {
  PERSISTER_CONSUMER,
  type IncomingBatch,
  type IncomingRecord,
  type PersistenceAdapter,
  type StoreResult,
} from '../store/port.ts';
import { isStorableJson } from '../store/text.ts';
import type { BatchContext } from '../stream/port.ts';
import { quarantine } from './classify.ts';
import type { PersisterMetrics } from './metrics.ts';
import { dropBefore, halve, type ClassifiedRecord, type SubBatch } from './split.ts';

export interface WriterParts {
  store: Pick<PersistenceAdapter, 'storeBatch'>;
  clock: Clock;
  logger: Logger;
  /** Told after each commit. */
  onStored: (touched: StoreResult['touched']) => void;
  /** Told when the store begins to fail and when it takes data again. */
  onOutage: (isOut: boolean) => void;
  metrics: PersisterMetrics;
}

export interface RunPlace {
  epoch: number;
  partition: number;
  context: BatchContext;
  /** True once the process stops. */
  isStopped: () => boolean;
}

/** done: all of it is stored, go on behind it; elsewhere: go on from `nextOffset`, or give up the batch. */
export interface WriteResult {
  outcome: 'done' | 'elsewhere';
  nextOffset: number;
}

const RETRY_MIN_MS = 100;
/** While the store is away its circuit refuses an attempt without asking, so that it costs nothing. */
const RETRY_MAX_MS = 1_000;
/** How often the membership is kept alive while the store works. */
const HEARTBEAT_MS = 1_000;
/** A transaction that takes longer is told; in ms. Whether the store answers at all is for its time limits to say. */
const SLOW_MS = 3_000;

/** Puts runs of the log into the store. Nothing is skipped: bad data is quarantined, an outage is waited out. */
export class RunWriter {
  readonly #parts: WriterParts;

  constructor(parts: WriterParts) {
    this.#parts = parts;
  }

  async write(run: SubBatch, place: RunPlace): Promise<WriteResult> {
    try {
      return await this.#writeOnce(run, place);
    } catch (error) {
      if (!isAppError(error, 'STORE_BAD_DATA')) throw error;
      return this.#narrow(run, place, error);
    }
  }

  /** Finds what the store refused, the usual fault at sight and any other by halves: only that is left out. */
  async #narrow(run: SubBatch, place: RunPlace, cause: Error): Promise<WriteResult> {
    const isUnstorable = ({ incoming }: ClassifiedRecord) =>
      incoming?.kind === 'update' && !isStorableJson(incoming.metadata);
    if (run.records.some(isUnstorable)) {
      const records = run.records.map((record) =>
        isUnstorable(record) ? this.#refused(record, place, cause) : record,
      );
      return this.write({ ...run, records }, place);
    }
    if (run.records.length > 1) {
      const [first, second] = halve(run);
      const result = await this.write(first, place);
      return result.outcome === 'done' ? this.write(second, place) : result;
    }
    const [record] = run.records;
    // A position that is refused, or a quarantined record that is: no data can be at fault.
    if (!record || record.incoming?.kind === 'quarantine') throw cause;
    return this.#writeOnce({ ...run, records: [this.#refused(record, place, cause)] }, place);
  }

  #refused({ delivered, incoming }: ClassifiedRecord, place: RunPlace, cause: Error): ClassifiedRecord {
    const { epoch, partition } = place;
    const data = isAppError(cause) ? cause.data : {};
    this.#parts.logger.warn(
      { epoch, partition, offset: delivered.offset, ...data },
      'record quarantined: the store refused it',
    );
    return { delivered, incoming: quarantine(delivered, 'refused-by-store', incoming?.document) };
  }

  async #writeOnce(run: SubBatch, place: RunPlace): Promise<WriteResult> {
    const records = run.records
      .map(({ incoming }) => incoming)
      .filter((incoming): incoming is IncomingRecord => incoming !== undefined);
    const { epoch, partition } = place;
    const { fetchOffset, nextOffset } = run;
    const stored = await this.#untilAnswered(place, () =>
      this.#measured({
        consumer: PERSISTER_CONSUMER,
        epoch,
        partition,
        fetchOffset,
        nextOffset,
        records,
      }),
    );
    if (!stored) return { outcome: 'elsewhere', nextOffset: fetchOffset };
    if (stored.outcome === 'stored') {
      const quarantined = records.filter(({ kind }) => kind === 'quarantine').length;
      this.#parts.metrics.stored(records.length);
      if (quarantined > 0) this.#parts.metrics.quarantined(quarantined);
      this.#parts.onStored(stored.touched);
      return { outcome: 'done', nextOffset };
    }
    // Known already, by an earlier attempt whose answer was lost or by the partition's former owner.
    if (stored.nextOffset === nextOffset) return { outcome: 'done', nextOffset };
    if (stored.nextOffset > fetchOffset && stored.nextOffset < nextOffset)
      return this.write(dropBefore(run, stored.nextOffset), place);
    this.#parts.logger.info(
      { epoch, partition, fetchOffset, storedNextOffset: stored.nextOffset },
      'the stored position is elsewhere: going on from there',
    );
    return { outcome: 'elsewhere', nextOffset: stored.nextOffset };
  }

  async #measured(batch: IncomingBatch): Promise<StoreResult> {
    const { store, clock, metrics } = this.#parts;
    const since = clock.now();
    try {
      const result = await store.storeBatch(batch);
      metrics.batch('ok', clock.now() - since);
      return result;
    } catch (error) {
      metrics.batch('failed', clock.now() - since);
      throw error;
    }
  }

  /** Repeats through an outage, keeping the membership alive. Undefined when the partition or the process is given up. */
  async #untilAnswered(
    { context, isStopped }: RunPlace,
    attempt: () => Promise<StoreResult>,
  ): Promise<StoreResult | undefined> {
    const outage = new Outage(this.#parts);
    for (let delayMs = RETRY_MIN_MS; ; delayMs = Math.min(delayMs * 2, RETRY_MAX_MS)) {
      if (context.isStale() || isStopped()) break;
      try {
        const result = await this.#attend(attempt(), context);
        outage.end();
        return result;
      } catch (error) {
        if (!isAppError(error) || !error.retryable) {
          outage.end();
          throw error;
        }
        outage.begin(error);
      }
      await context.heartbeat();
      await pause(this.#parts.clock, delayMs);
    }
    // Whoever has the partition now sees for itself whether the store answers.
    outage.end();
    return undefined;
  }

  /** Keeps the membership alive while the store works. One that takes long is slow, and not out: it may be busy. */
  async #attend(work: Promise<StoreResult>, context: BatchContext): Promise<StoreResult> {
    const { clock, logger } = this.#parts;
    const since = clock.now();
    let timer: TimerHandle | undefined;
    let isDone = false;
    let isTold = false;
    const beat = () => {
      if (isDone) return;
      timer = clock.setTimeout(() => {
        if (!isTold && clock.now() - since >= SLOW_MS) {
          isTold = true;
          logger.warn({ slowMs: SLOW_MS }, 'the store is slow: waiting');
        }
        void context.heartbeat().then(beat, beat);
      }, HEARTBEAT_MS);
    };
    beat();
    try {
      return await work;
    } finally {
      isDone = true;
      timer?.cancel();
    }
  }
}

/** One outage as one run meets it: told when it begins and when it ends, logged once. */
class Outage {
  readonly #parts: Pick<WriterParts, 'logger' | 'onOutage'>;
  #isOut = false;

  constructor(parts: Pick<WriterParts, 'logger' | 'onOutage'>) {
    this.#parts = parts;
  }

  begin(error: unknown): void {
    if (!this.#isOut) this.#parts.logger.error({ err: error }, 'the store is not available: waiting');
    this.#isOut = true;
    this.#parts.onOutage(true);
  }

  end(): void {
    if (this.#isOut) this.#parts.onOutage(false);
    this.#isOut = false;
  }
}
