import type { Clock } from '../../clock.ts';
import { AppError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import type { DeliveredRecord, StreamRecord } from '../port.ts';
import type { DroppableRing } from './droppable-ring.ts';
import type { LogFile } from './log-file.ts';
import type { PartitionLog } from './partition-log.ts';

/** Offsets that are set aside at a time for records that are never written. */
const RESERVED_OFFSETS = 1_000_000;
const SQLITE_IOERR_FSYNC = 1034;

export interface AppenderParts {
  file: LogFile;
  ring: DroppableRing;
  clock: Clock;
  logger: Logger;
  bufferBytes: number;
}

interface PendingAppend {
  log: PartitionLog;
  records: readonly StreamRecord[];
  droppable: boolean;
  resolve: (offsets: number[]) => void;
  reject: (error: Error) => void;
}

/** Records of one tick with the offsets that they get if the commit succeeds. */
interface Staged {
  delivered: Map<PartitionLog, DeliveredRecord[]>;
  offsets: number[][];
  reserved: Map<PartitionLog, number>;
}

/** Collects the appends of a tick and commits them together; then resolves and delivers them. */
export class Appender {
  readonly #parts: AppenderParts;
  #pending: PendingAppend[] = [];
  #pendingBytes = 0;
  #scheduled = false;
  #broken: unknown;

  constructor(parts: AppenderParts) {
    this.#parts = parts;
  }

  /** False once the disk cannot be trusted any more: only a new start helps. */
  get isHealthy(): boolean {
    return this.#broken === undefined;
  }

  append(log: PartitionLog, records: readonly StreamRecord[], droppable: boolean): Promise<number[]> {
    const bytes = records.reduce((sum, record) => sum + record.value.byteLength, 0);
    if (this.#pendingBytes > 0 && this.#pendingBytes + bytes > this.#parts.bufferBytes)
      return Promise.reject(new AppError('STREAM_BUFFER_FULL'));
    this.#pendingBytes += bytes;
    if (!this.#scheduled) {
      this.#scheduled = true;
      this.#parts.clock.setImmediate(() => this.flush());
    }
    return new Promise((resolve, reject) => {
      this.#pending.push({ log, records, droppable, resolve, reject });
    });
  }

  /** Commits what is waiting now; on return all of it has been resolved and delivered, or rejected. */
  flush(): void {
    this.#scheduled = false;
    const appends = this.#pending;
    if (appends.length === 0) return;
    this.#pending = [];
    this.#pendingBytes = 0;
    let staged: Staged;
    try {
      staged = this.#commit(appends);
    } catch (error) {
      this.#fail(appends, error);
      return;
    }
    for (const [log, offset] of staged.reserved) log.reservedOffset = offset;
    appends.forEach((append, at) => {
      append.resolve(staged.offsets[at]!);
    });
    for (const [log, records] of staged.delivered) log.deliver(records);
  }

  #commit(appends: readonly PendingAppend[]): Staged {
    if (this.#broken !== undefined) throw this.#broken;
    const staged = stage(appends, this.#parts.clock.wallTime());
    const { file, ring } = this.#parts;
    const durable = appends.some((append) => !append.droppable);
    if (durable || staged.reserved.size > 0) {
      file.transaction(() => {
        for (const [log, offset] of staged.reserved) file.reserve(log.id, offset);
        eachRecord(appends, staged, (append, record) => {
          if (!append.droppable) file.insert(append.log.id, record);
        });
      });
    }
    eachRecord(appends, staged, (append, record) => {
      if (append.droppable) ring.add(append.log, record);
    });
    return staged;
  }

  #fail(appends: readonly PendingAppend[], cause: unknown): void {
    // After a failed fsync the kernel may have dropped the pages: a later success would prove nothing.
    if ((cause as { errcode?: unknown }).errcode === SQLITE_IOERR_FSYNC) this.#broken = cause;
    this.#parts.logger.error(
      { error: String(cause), appends: appends.length, needsRestart: this.#broken !== undefined },
      'append to the embedded log failed',
    );
    for (const append of appends) append.reject(new AppError('STREAM_APPEND_FAILED', { cause }));
  }
}

function stage(appends: readonly PendingAppend[], timestampMs: number): Staged {
  const delivered = new Map<PartitionLog, DeliveredRecord[]>();
  const reserved = new Map<PartitionLog, number>();
  const offsets = appends.map(({ log, records, droppable }) => {
    let ofLog = delivered.get(log);
    if (!ofLog) delivered.set(log, (ofLog = []));
    const list = ofLog;
    return records.map(({ key, value, headers }) => {
      const offset = log.nextOffset + list.length;
      list.push({ key, value, headers, offset, timestampMs });
      if (droppable && offset >= (reserved.get(log) ?? log.reservedOffset))
        reserved.set(log, offset + RESERVED_OFFSETS);
      return offset;
    });
  });
  return { delivered, offsets, reserved };
}

function eachRecord(
  appends: readonly PendingAppend[],
  staged: Staged,
  visit: (append: PendingAppend, record: DeliveredRecord) => void,
): void {
  appends.forEach((append, at) => {
    const records = staged.delivered.get(append.log)!;
    for (const offset of staged.offsets[at]!) visit(append, records[offset - append.log.nextOffset]!);
  });
}
