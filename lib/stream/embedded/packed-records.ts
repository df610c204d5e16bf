import type { DeliveredRecord } from '../port.ts';

/** Records for another thread: two buffers that are given away, not copied, and strings. */
export interface PackedRecords {
  /** Of each record: its row id in the file, the milliseconds since 1970, the length of its value. */
  numbers: Float64Array<ArrayBuffer>;
  keys: string[];
  /** As JSON. */
  headers: string[];
  /** One after the other. */
  values: Uint8Array<ArrayBuffer>;
}

export interface RowOfRecord {
  position: number;
  timestampMs: number;
  key: string;
  headers: string;
  value: Uint8Array;
}

const NUMBERS = 3;

/*
 * A record's row id is partitionId * 2^34 + offset: the records of a partition lie together, a range is one scan, and
 * there is no second index to keep. 2^34 offsets for each of 2^19 partitions stay below 2^53, so plain numbers do.
 */
export const OFFSETS_OF_PARTITION = 2 ** 34;
export const MAX_PARTITIONS = 2 ** 19;

export function positionOf(partitionId: number, offset: number): number {
  return partitionId * OFFSETS_OF_PARTITION + offset;
}

export function rowOf(partitionId: number, record: DeliveredRecord): RowOfRecord {
  const { offset, timestampMs, key, headers, value } = record;
  return {
    position: positionOf(partitionId, offset),
    timestampMs,
    key,
    headers: JSON.stringify(headers),
    value,
  };
}

export function packRecords(rows: readonly RowOfRecord[]): PackedRecords {
  const numbers = new Float64Array(NUMBERS * rows.length);
  const values = new Uint8Array(rows.reduce((sum, { value }) => sum + value.byteLength, 0));
  let at = 0;
  rows.forEach(({ position, timestampMs, value }, index) => {
    const first = NUMBERS * index;
    numbers[first] = position;
    numbers[first + 1] = timestampMs;
    numbers[first + 2] = value.byteLength;
    values.set(value, at);
    at += value.byteLength;
  });
  return {
    numbers,
    keys: rows.map(({ key }) => key),
    headers: rows.map(({ headers }) => headers),
    values,
  };
}

/** Each value is a view of `values`. */
export function* unpackRecords({ numbers, keys, headers, values }: PackedRecords): Generator<RowOfRecord> {
  let at = 0;
  for (let index = 0; index < keys.length; index++) {
    const first = NUMBERS * index;
    yield {
      position: numbers[first]!,
      timestampMs: numbers[first + 1]!,
      key: keys[index]!,
      headers: headers[index]!,
      value: values.subarray(at, (at += numbers[first + 2]!)),
    };
  }
}

/** Their values are copies: one that somebody keeps must not keep all the others. */
export function unpackDelivered(packed: PackedRecords): DeliveredRecord[] {
  return Array.from(unpackRecords(packed), ({ position, timestampMs, key, headers, value }) => ({
    offset: position % OFFSETS_OF_PARTITION,
    timestampMs,
    key,
    headers: JSON.parse(headers) as Record<string, string>,
    value: value.slice(),
  }));
}

export function buffersOf({ numbers, values }: PackedRecords): ArrayBuffer[] {
  return [numbers.buffer, values.buffer];
}
