import type { Clock } from '../../clock.ts';
import { AppError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import type { DeliveredRecord, StreamRecord } from '../port.ts';
import type { DroppableRing } from './droppable-ring.ts';
import { LogBroken, type LogStore, type Reservation } from './log-store.ts';
import { OFFSETS_OF_PARTITION, packRecords, rowOf, type RowOfRecord } from './packed-records.ts';
import type { PartitionLog } from './partition-log.ts';

/** Offsets that are set aside at a time for records that are never written. */
const RESERVED_OFFSETS = 1_000_000;
const SQLITE_IOERR_FSYNC = 1034;

export interface AppenderParts {
  file: Pick<LogStore, 'commit' | 'broken'>;
  ring: DroppableRing;
  clock: Clock;
  logger: Logger;
  bufferBytes: number;
}

interface PendingAppend {
  log: PartitionLog;
  records: readonly StreamRecord[];
  bytes: number;
  droppable: boolean;
  resolve: (offsets: number[]) => void;
  reject: (error: Error) => void;
}

/** Records with the offsets that they get if the commit succeeds. */
interface Staged {
  delivered: Map<PartitionLog, DeliveredRecord[]>;
  offsets: number[][];
  reserved: Map<PartitionLog, number>;
}

/**
 * Commits together what is appended in a tick, or while the disk is busy with what came before; then resolves and
 * delivers it. Droppable records wait for the disk only behind durable ones of their partition.
 */
export class Appender {
  readonly #parts: AppenderParts;
  #toCommit: PendingAppend[] = [];
  #droppable: PendingAppend[] = [];
  /** Partitions with appends that wait for the disk, and how many. */
  readonly #waiting = new Map<PartitionLog, number>();
  #pendingBytes = 0;
  #isScheduled = false;
  #committing: Promise<void> | undefined;
  /** A failed fsync: the file can be reached, and cannot be trusted. */
  #untrusted: Error | undefined;

  constructor(parts: AppenderParts) {
    this.#parts = parts;
  }

  /** Why nothing is taken now; undefined while appends go to the disk. */
  get refusal(): Error | undefined {
    return this.#untrusted ?? this.#parts.file.broken;
  }

  append(log: PartitionLog, records: readonly StreamRecord[], droppable: boolean): Promise<number[]> {
    // Not when it is flushed: by then the file may be back, with the first attempt at what comes here again.
    const refused = this.refusal;
    if (refused) return Promise.reject(new AppError('STREAM_APPEND_FAILED', { cause: refused }));
    const bytes = records.reduce((sum, record) => sum + record.value.byteLength, 0);
    if (this.#pendingBytes > 0 && this.#pendingBytes + bytes > this.#parts.bufferBytes)
      return Promise.reject(new AppError('STREAM_BUFFER_FULL'));
    this.#pendingBytes += bytes;
    if (!this.#isScheduled) {
      this.#isScheduled = true;
      this.#parts.clock.setImmediate(() => this.#flush());
    }
    return new Promise((resolve, reject) => {
      const append = { log, records, bytes, droppable, resolve, reject };
      if (droppable && !this.#waiting.has(log)) this.#droppable.push(append);
      else this.#wait(append, 'last');
    });
  }

  /** Resolves when everything that was appended has been resolved and delivered, or rejected. */
  async drain(): Promise<void> {
    this.#flush();
    while (this.#committing) await this.#committing;
  }

  #flush(): void {
    this.#isScheduled = false;
    this.#deliverDroppable();
    if (!this.#committing && this.#toCommit.length > 0) this.#begin();
  }

  #deliverDroppable(): void {
    const appends = this.#droppable;
    if (appends.length === 0) return;
    this.#droppable = [];
    const counts = new Map<PartitionLog, number>();
    for (const { log, records } of appends) counts.set(log, (counts.get(log) ?? 0) + records.length);
    const isReserved = ({ log }: PendingAppend) => log.nextOffset + counts.get(log)! <= log.reservedOffset;
    // Before what was appended to their partitions after them.
    for (const append of appends.filter((each) => !isReserved(each)).reverse()) this.#wait(append, 'first');
    const ready = appends.filter(isReserved);
    if (ready.length > 0) this.#deliver(ready, stage(ready, this.#parts.clock.wallTime()));
  }

  #begin(): void {
    // Their partitions may be among those that get durable records now, which come after them.
    this.#deliverDroppable();
    const appends = this.#toCommit;
    this.#toCommit = [];
    this.#committing = this.#commit(appends).finally(() => {
      this.#committing = undefined;
      // What came meanwhile has waited long enough.
      if (this.#toCommit.length > 0) this.#begin();
    });
  }

  /** Never rejects. */
  async #commit(appends: readonly PendingAppend[]): Promise<void> {
    let staged: Staged;
    try {
      if (this.refusal) throw this.refusal;
      staged = stage(appends, this.#parts.clock.wallTime());
      await this.#parts.file.commit(toCommit(appends, staged));
    } catch (error) {
      return this.#fail(appends, error);
    }
    for (const append of appends) this.#done(append.log);
    for (const [log, offset] of staged.reserved) log.reservedOffset = offset;
    appends.forEach(({ log, droppable }, at) => {
      if (!droppable) log.heldThrough = staged.offsets[at]!.at(-1)!;
    });
    this.#deliver(appends, staged);
  }

  #deliver(appends: readonly PendingAppend[], { delivered, offsets }: Staged): void {
    appends.forEach((append, at) => {
      this.#pendingBytes -= append.bytes;
      if (append.droppable)
        for (const record of recordsOf(append, { delivered, offsets: offsets[at]! }))
          this.#parts.ring.add(append.log, record);
      append.resolve(offsets[at]!);
    });
    for (const [log, records] of delivered) log.deliver(records);
  }

  #fail(appends: readonly PendingAppend[], cause: unknown): void {
    // After a failed fsync the kernel may have dropped the pages: a later success would prove nothing.
    if ((cause as { errcode?: unknown }).errcode === SQLITE_IOERR_FSYNC) this.#untrusted = cause as Error;
    // A file that is away is told once, by who opens it again.
    if (!(cause instanceof LogBroken))
      this.#parts.logger.error(
        { error: String(cause), appends: appends.length, needsRestart: this.#untrusted !== undefined },
        'append to the embedded log failed',
      );
    for (const { log, bytes, reject } of appends) {
      this.#pendingBytes -= bytes;
      this.#done(log);
      reject(new AppError('STREAM_APPEND_FAILED', { cause }));
    }
  }

  #wait(append: PendingAppend, place: 'first' | 'last'): void {
    this.#waiting.set(append.log, (this.#waiting.get(append.log) ?? 0) + 1);
    if (place === 'first') this.#toCommit.unshift(append);
    else this.#toCommit.push(append);
  }

  #done(log: PartitionLog): void {
    const left = this.#waiting.get(log)! - 1;
    if (left === 0) this.#waiting.delete(log);
    else this.#waiting.set(log, left);
  }
}

/** Offsets begin where the partition ends: nothing else of it may be on its way. */
function stage(appends: readonly PendingAppend[], timestampMs: number): Staged {
  const delivered = new Map<PartitionLog, DeliveredRecord[]>();
  const reserved = new Map<PartitionLog, number>();
  const offsets = appends.map(({ log, records, droppable }) => {
    let ofLog = delivered.get(log);
    if (!ofLog) delivered.set(log, (ofLog = []));
    const list = ofLog;
    return records.map(({ key, value, headers }) => {
      const offset = log.nextOffset + list.length;
      if (offset >= OFFSETS_OF_PARTITION)
        throw new AppError('STREAM_APPEND_FAILED', { message: 'The partition has no offsets left.' });
      list.push({ key, value, headers, offset, timestampMs });
      if (droppable && offset >= (reserved.get(log) ?? log.reservedOffset))
        reserved.set(log, offset + RESERVED_OFFSETS);
      return offset;
    });
  });
  return { delivered, offsets, reserved };
}

function toCommit(appends: readonly PendingAppend[], { delivered, offsets, reserved }: Staged) {
  const reservations = Array.from(reserved, ([log, offset]): Reservation => ({
    partitionId: log.id,
    offset,
  }));
  const rows: RowOfRecord[] = [];
  appends.forEach((append, at) => {
    if (append.droppable) return;
    for (const record of recordsOf(append, { delivered, offsets: offsets[at]! }))
      rows.push(rowOf(append.log.id, record));
  });
  return { reservations, records: packRecords(rows) };
}

function recordsOf(
  { log }: PendingAppend,
  { delivered, offsets }: { delivered: Staged['delivered']; offsets: readonly number[] },
): DeliveredRecord[] {
  const records = delivered.get(log)!;
  const first = records[0]!.offset;
  return offsets.map((offset) => records[offset - first]!);
}
