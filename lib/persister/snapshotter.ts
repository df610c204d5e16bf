import type { Clock } from '../clock.ts';
import { failpoint } from '../failpoints.ts';
import type { Logger } from '../log.ts';
import { documentKey, type DocumentId, type DocumentKey } from '../protocol/ids.ts';
import type { PersistenceAdapter, Snapshot, SnapshotDebt, StoreResult } from '../store/port.ts';
import type { SnapshotPolicy } from '../store/snapshot-policy.ts';
import type { Folder, FoldRequest, FoldResult } from './folder.ts';
import type { PersisterMetrics } from './metrics.ts';
import { Sweeper } from './sweeper.ts';

/** skipped: nothing to build from, or the document has changed under it; what was there stays. */
export type RebuildOutcome = 'rebuilt' | 'skipped';

export interface SnapshotterParts {
  store: Pick<
    PersistenceAdapter,
    | 'snapshotDebt'
    | 'snapshotDebts'
    | 'persistSnapshot'
    | 'replaceSnapshots'
    | 'trimSnapshots'
    | 'quarantineStored'
  >;
  folder: Folder;
  policy: SnapshotPolicy;
  clock: Clock;
  logger: Logger;
  /** Whether the documents of this partition are this process's to fold. */
  isAssigned: (epoch: number, partition: number) => boolean;
  /** How often documents are looked for whose updates have become old, in ms. */
  sweepMs: number;
  metrics?: PersisterMetrics;
  /** A snapshot of so many bytes has been written, or was found superseded. */
  onWritten?: (bytes: number) => void;
  /** Folds at a time. */
  concurrency?: number;
}

/** Documents that one sweep looks at; the oldest debts come first. */
const SWEEP_DOCUMENTS = 1000;
const SWEEPS_PER_TRIM = 10;
/** Documents whose updates are counted between commits; beyond it the counts are dropped and age decides. */
const MAX_COUNTED = 10_000;
const RETRY_MIN_MS = 5_000;
const RETRY_MAX_MS = 300_000;

/** Keeps snapshots near the rows. Works beside the log, never before it: a failure is logged and tried again later. */
export class Snapshotter {
  readonly #parts: SnapshotterParts;
  readonly #sweeper: Sweeper;
  readonly #counted = new Map<DocumentKey, { document: DocumentId; updates: number; bytes: number }>();
  readonly #waiting = new Map<DocumentKey, SnapshotDebt>();
  readonly #running = new Map<DocumentKey, Promise<unknown>>();
  readonly #failed = new Map<DocumentKey, { delayMs: number; notBeforeMs: number }>();
  #sweeps = 0;
  #stopped = false;

  constructor(parts: SnapshotterParts) {
    this.#parts = parts;
    const { clock, sweepMs } = parts;
    this.#sweeper = new Sweeper({ clock, everyMs: sweepMs, sweep: () => this.sweep() });
  }

  start(): void {
    this.#sweeper.start();
  }

  /** Waits for the folds that run; starts no more. Idempotent. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#waiting.clear();
    await this.#sweeper.stop();
    await Promise.allSettled(this.#running.values());
  }

  /** Counts what a commit added and asks for the debt of a document once it could be due. */
  note(touched: StoreResult['touched']): void {
    for (const [key, added] of touched as Map<
      DocumentKey,
      { document: DocumentId; updates: number; bytes: number }
    >) {
      const counted = this.#counted.get(key) ?? { document: added.document, updates: 0, bytes: 0 };
      counted.updates += added.updates;
      counted.bytes += added.bytes;
      this.#counted.set(key, counted);
      if (!this.#parts.policy.isWorthAsking(counted)) continue;
      this.#counted.delete(key);
      void this.#consider(counted.document);
    }
    if (this.#counted.size > MAX_COUNTED) this.#counted.clear();
  }

  /** Looks for documents whose updates have become old; trims superseded snapshots now and then. */
  async sweep(): Promise<void> {
    const { store, logger } = this.#parts;
    try {
      for (const debt of await store.snapshotDebts(SWEEP_DOCUMENTS)) this.#enqueueIfDue(debt);
      if (++this.#sweeps % SWEEPS_PER_TRIM === 0) {
        failpoint('trim:before');
        await store.trimSnapshots();
        failpoint('trim:after');
      }
    } catch (error) {
      logger.warn({ err: error }, 'looking for due snapshots failed: later again');
    }
  }

  /** Makes a snapshot now, if anything lies behind the last one; true if one was written. */
  async make(document: DocumentId): Promise<boolean> {
    const debt = await this.#parts.store.snapshotDebt(document);
    if (!debt) return false;
    const key = documentKey(document);
    await Promise.allSettled([this.#running.get(key)]);
    const running = this.#fold(debt);
    this.#running.set(key, running);
    try {
      return await running;
    } finally {
      this.#running.delete(key);
      this.#next();
    }
  }

  /** Makes the snapshot anew from all rows; it takes the place of those that are there. */
  async rebuild(at: Omit<FoldRequest, 'fromRows'>): Promise<RebuildOutcome> {
    const key = documentKey(at.document);
    await Promise.allSettled([this.#running.get(key)]);
    const running = this.#refold(at);
    this.#running.set(key, running);
    try {
      return (await running) ? 'rebuilt' : 'skipped';
    } finally {
      this.#running.delete(key);
      this.#next();
    }
  }

  /** Folds that run and wait. */
  usage(): { folding: number; waiting: number; failing: number } {
    return { folding: this.#running.size, waiting: this.#waiting.size, failing: this.#failed.size };
  }

  async #consider(document: DocumentId): Promise<void> {
    try {
      const debt = await this.#parts.store.snapshotDebt(document);
      if (debt) this.#enqueueIfDue(debt);
    } catch (error) {
      this.#parts.logger.warn({ err: error }, 'asking for the debt of a snapshot failed: later again');
    }
  }

  #enqueueIfDue(debt: SnapshotDebt): void {
    const { policy, clock, isAssigned } = this.#parts;
    const key = documentKey(debt.document);
    if (this.#stopped || this.#running.has(key)) return;
    // A past epoch has no owner. Two members that fold the same write one snapshot.
    if (!debt.isOfPastEpoch && !isAssigned(debt.epoch, debt.partition)) return;
    if ((this.#failed.get(key)?.notBeforeMs ?? 0) > clock.now()) return;
    if (!policy.isDue(debt)) return;
    this.#waiting.set(key, debt);
    this.#next();
  }

  #next(): void {
    const { concurrency = 2 } = this.#parts;
    for (const [key, debt] of this.#waiting) {
      if (this.#running.size >= concurrency) return;
      this.#waiting.delete(key);
      const running = this.#foldQuietly(key, debt).finally(() => {
        this.#running.delete(key);
        this.#next();
      });
      this.#running.set(key, running);
    }
  }

  async #foldQuietly(key: DocumentKey, debt: SnapshotDebt): Promise<void> {
    try {
      const written = await this.#fold(debt);
      this.#parts.metrics?.snapshot(written ? 'ok' : 'superseded');
      this.#failed.delete(key);
    } catch (error) {
      this.#parts.metrics?.snapshot('failed');
      const delayMs = Math.min(RETRY_MAX_MS, (this.#failed.get(key)?.delayMs ?? RETRY_MIN_MS / 2) * 2);
      this.#failed.set(key, { delayMs, notBeforeMs: this.#parts.clock.now() + delayMs });
      this.#parts.logger.warn({ err: error, document: key, delayMs }, 'snapshot failed: later again');
    }
  }

  /** Before the snapshot is written: behind it nobody would look at these rows again. */
  async #setAside(document: DocumentId, rejected: FoldResult['rejected'] = []): Promise<void> {
    if (rejected.length === 0) return;
    const { store, logger } = this.#parts;
    const added = await store.quarantineStored(document, rejected);
    if (added === 0) return;
    this.#parts.metrics?.quarantined(added);
    logger.warn({ document: documentKey(document), places: rejected, added }, 'stored updates quarantined');
  }

  async #refold(at: Omit<FoldRequest, 'fromRows'>): Promise<boolean> {
    const folded = await this.#parts.folder.fold({ ...at, fromRows: true });
    await this.#setAside(at.document, folded?.rejected);
    if (!folded) return false;
    const written = await this.#parts.store.replaceSnapshots(snapshotOf(at.document, folded));
    this.#parts.onWritten?.(folded.update.byteLength);
    return written;
  }

  async #fold({ document, epoch, partition }: SnapshotDebt): Promise<boolean> {
    const { folder, store, logger } = this.#parts;
    const folded = await folder.fold({ document, epoch, partition });
    if (!folded) return false;
    await this.#setAside(document, folded.rejected);
    const { offset } = folded.position;
    failpoint('snapshot:before');
    const written = await store.persistSnapshot(snapshotOf(document, folded));
    this.#parts.onWritten?.(folded.update.byteLength);
    failpoint('snapshot:after');
    logger.debug({ document: documentKey(document), offset, written }, 'snapshot made');
    return written;
  }
}

function snapshotOf(document: DocumentId, { position, update, stateVector }: FoldResult): Snapshot {
  const { generation, epoch, partition, offset } = position;
  return { document, generation, epoch, partition, throughOffset: offset, data: update, stateVector };
}
