import type { IncomingRecord } from '../store/port.ts';
import type { DeliveredRecord, RecordBatch } from '../stream/port.ts';

/** A record with what it is for the store; `incoming` is undefined for one that is passed over. */
export interface ClassifiedRecord {
  delivered: DeliveredRecord;
  incoming: IncomingRecord | undefined;
}

/** A run of the log that is stored in one transaction. */
export interface SubBatch {
  fetchOffset: number;
  nextOffset: number;
  records: ClassifiedRecord[];
}

export interface SplitLimits {
  maxRows: number;
  /** Of record values; a single larger record makes a sub-batch of its own. */
  maxBytes: number;
}

/** What a transaction may hold (design rule 8): 1,000 rows or 4 MB. */
const SPLIT_LIMITS: SplitLimits = Object.freeze({ maxRows: 1000, maxBytes: 4 * 1024 * 1024 });

/**
 * Cuts a batch into runs that join without a gap: the first begins at the batch's fetch offset, the last ends
 * at its next offset. A batch without records is one run, so that the position passes the hole.
 */
export function splitBatch(
  batch: RecordBatch,
  classify: (record: DeliveredRecord) => IncomingRecord | undefined,
  limits: SplitLimits = SPLIT_LIMITS,
): SubBatch[] {
  const runs: SubBatch[] = [];
  let run: SubBatch = { fetchOffset: batch.fetchOffset, nextOffset: batch.nextOffset, records: [] };
  let bytes = 0;
  for (const delivered of batch.records) {
    const isFull =
      run.records.length >= limits.maxRows || bytes + delivered.value.byteLength > limits.maxBytes;
    if (isFull && run.records.length > 0) {
      run.nextOffset = run.records.at(-1)!.delivered.offset + 1;
      runs.push(run);
      run = { fetchOffset: run.nextOffset, nextOffset: batch.nextOffset, records: [] };
      bytes = 0;
    }
    run.records.push({ delivered, incoming: classify(delivered) });
    bytes += delivered.value.byteLength;
  }
  runs.push(run);
  return runs;
}

/** Both halves of a run of at least two records. */
export function halve(run: SubBatch): [SubBatch, SubBatch] {
  const middle = run.records.length >> 1;
  const border = run.records[middle]!.delivered.offset;
  return [
    { fetchOffset: run.fetchOffset, nextOffset: border, records: run.records.slice(0, middle) },
    { fetchOffset: border, nextOffset: run.nextOffset, records: run.records.slice(middle) },
  ];
}

/** The part of a run from `offset` on, which lies inside it. */
export function dropBefore(run: SubBatch, offset: number): SubBatch {
  return {
    fetchOffset: offset,
    nextOffset: run.nextOffset,
    records: run.records.filter(({ delivered }) => delivered.offset >= offset),
  };
}
