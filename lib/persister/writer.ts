import { pause, type Clock } from '../clock.ts';
import { isAppError } from '../errors.ts';
import type { Logger } from '../log.ts';
import {
  PERSISTER_CONSUMER,
  type IncomingRecord,
  type PersistenceAdapter,
  type StoreResult,
} from '../store/port.ts';
import { isStorableJson } from '../store/text.ts';
import type { BatchContext } from '../stream/port.ts';
import { quarantine } from './classify.ts';
import { dropBefore, halve, type ClassifiedRecord, type SubBatch } from './split.ts';

export interface WriterParts {
  store: Pick<PersistenceAdapter, 'storeBatch'>;
  clock: Clock;
  logger: Logger;
  /** Told after each commit. */
  onStored: (touched: StoreResult['touched']) => void;
  /** Told when the store begins to fail and when it takes data again. */
  onOutage: (isOut: boolean) => void;
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
const RETRY_MAX_MS = 5_000;

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
      this.#parts.store.storeBatch({
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

  /** Repeats through an outage, keeping the membership alive. Undefined when the partition or the process is given up. */
  async #untilAnswered(
    { context, isStopped }: RunPlace,
    attempt: () => Promise<StoreResult>,
  ): Promise<StoreResult | undefined> {
    let delayMs = RETRY_MIN_MS;
    let isOut = false;
    while (!context.isStale() && !isStopped()) {
      try {
        const result = await attempt();
        if (isOut) this.#parts.onOutage(false);
        return result;
      } catch (error) {
        if (!isAppError(error) || !error.retryable) {
          if (isOut) this.#parts.onOutage(false);
          throw error;
        }
        if (!isOut) this.#parts.logger.error({ err: error }, 'the store is not available: waiting');
        isOut = true;
        this.#parts.onOutage(true);
      }
      await context.heartbeat();
      await pause(this.#parts.clock, delayMs);
      delayMs = Math.min(delayMs * 2, RETRY_MAX_MS);
    }
    return undefined;
  }
}
