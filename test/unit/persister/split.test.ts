import { describe, expect, it } from '@jest/globals';
import { dropBefore, halve, splitBatch } from '../../../lib/persister/split.ts';
import type { RecordBatch } from '../../../lib/stream/port.ts';
import { delivered, updateRecord } from './records.ts';

const record = updateRecord({ version: 1 });
const size = record.value.byteLength;

function batch(offsets: number[], fetchOffset: number, nextOffset: number): RecordBatch {
  const records = offsets.map((offset) => delivered(record, offset));
  return { topic: 'doc', partition: 0, fetchOffset, nextOffset, records };
}

const shape = (runs: ReturnType<typeof splitBatch>) =>
  runs.map((run) => [run.fetchOffset, run.records.map((r) => r.delivered.offset), run.nextOffset]);

describe('splitBatch', () => {
  it('makes runs that join without a gap, over holes too', () => {
    const runs = splitBatch(batch([3, 5, 6, 20, 21], 1, 30), () => undefined, { maxRows: 2, maxBytes: 1e9 });
    expect(shape(runs)).toEqual([
      [1, [3, 5], 6],
      [6, [6, 20], 21],
      [21, [21], 30],
    ]);
  });

  it('bounds the bytes; a single larger record stands alone', () => {
    const runs = splitBatch(batch([0, 1, 2], 0, 3), () => undefined, { maxRows: 100, maxBytes: size * 2 });
    expect(shape(runs)).toEqual([
      [0, [0, 1], 2],
      [2, [2], 3],
    ]);
    expect(shape(splitBatch(batch([0, 1], 0, 2), () => undefined, { maxRows: 100, maxBytes: 1 }))).toEqual([
      [0, [0], 1],
      [1, [1], 2],
    ]);
  });

  it('makes one empty run of a batch that is only a hole', () => {
    expect(shape(splitBatch(batch([], 4, 9), () => undefined))).toEqual([[4, [], 9]]);
  });

  it('halves a run at a record, and drops what is known', () => {
    const [run] = splitBatch(batch([3, 5, 9], 1, 12), () => undefined);
    expect(shape(halve(run!))).toEqual([
      [1, [3], 5],
      [5, [5, 9], 12],
    ]);
    expect(shape([dropBefore(run!, 5)])).toEqual([[5, [5, 9], 12]]);
  });
});
