import type { DeliveredRecord } from '../port.ts';
import type { PartitionLog } from './partition-log.ts';

const MAX_BYTES = 4 * 1024 * 1024;
const MAX_RECORDS = 4096;
const RECORD_OVERHEAD_BYTES = 200;

interface Entry {
  log: PartitionLog;
  record: DeliveredRecord;
}

/** The last droppable records of all partitions together: a follower that came late or lags may still get them. */
export class DroppableRing {
  #entries: Entry[] = [];
  #bytes = 0;

  add(log: PartitionLog, record: DeliveredRecord): void {
    this.#entries.push({ log, record });
    this.#bytes += record.value.byteLength + RECORD_OVERHEAD_BYTES;
    if (this.#bytes > 2 * MAX_BYTES || this.#entries.length > 2 * MAX_RECORDS) this.#shrink();
  }

  /** Those of one partition in [from, to), in offset order. */
  range(log: PartitionLog, from: number, to: number): DeliveredRecord[] {
    return this.#entries
      .filter((entry) => entry.log === log && entry.record.offset >= from && entry.record.offset < to)
      .map((entry) => entry.record);
  }

  /** To half of the bound at once, so that the array is not moved for each record. */
  #shrink(): void {
    let at = 0;
    while (this.#bytes > MAX_BYTES || this.#entries.length - at > MAX_RECORDS) {
      this.#bytes -= this.#entries[at]!.record.value.byteLength + RECORD_OVERHEAD_BYTES;
      at++;
    }
    this.#entries = this.#entries.slice(at);
  }
}
