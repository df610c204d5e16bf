import type { fetchV17, RecordsBatch } from '@platformatic/kafka';
import { describe, expect, it } from '@jest/globals';
import { isAtEnd, toRecordBatch } from '../../../../lib/stream/kafka/record-batch.ts';

const TRANSACTIONAL = 1 << 4;
const CONTROL = 1 << 5;
const target = { topic: 't', partition: 3 };

interface BatchShape {
  at: number;
  values?: string[];
  attributes?: number;
  producerId?: number;
  /** Offsets of the batch, when it has more than records. */
  length?: number;
}

function batch({ at, values = [], attributes = 0, producerId = -1, length = values.length }: BatchShape) {
  const records = values.map((value, offsetDelta) => ({
    length: 0,
    attributes: 0,
    timestampDelta: 1n,
    offsetDelta,
    key: Buffer.from('key'),
    value: Buffer.from(value),
    headers: [[Buffer.from('s'), Buffer.from('sender')]] as [Buffer, Buffer][],
  }));
  return {
    firstOffset: BigInt(at),
    lastOffsetDelta: length - 1,
    attributes,
    producerId: BigInt(producerId),
    firstTimestamp: 1000n,
    records,
  } as unknown as RecordsBatch;
}

/** The control record that ends a transaction. */
function marker(at: number, producerId: number, type: 'abort' | 'commit'): RecordsBatch {
  const control = batch({ at, values: [''], attributes: CONTROL | TRANSACTIONAL, producerId });
  control.records[0]!.key = Buffer.from([0, 0, 0, type === 'abort' ? 0 : 1]);
  return control;
}

function fetched(
  records: RecordsBatch[],
  rest: { stable?: number; aborted?: { producerId: bigint; firstOffset: bigint }[] } = {},
): fetchV17.FetchResponsePartition {
  return {
    records,
    abortedTransactions: rest.aborted ?? null,
    lastStableOffset: BigInt(rest.stable ?? 100),
  } as fetchV17.FetchResponsePartition;
}

const texts = (found: ReturnType<typeof toRecordBatch>) =>
  found.records.map(({ offset, value }) => `${offset}:${Buffer.from(value).toString()}`);

describe('what Kafka answers to a fetch', () => {
  it('becomes records with keys, headers and times', () => {
    const found = toRecordBatch(target, 5, fetched([batch({ at: 5, values: ['a'] })]));
    expect(found).toMatchObject({ topic: 't', partition: 3, fetchOffset: 5, nextOffset: 6 });
    expect(found.records[0]).toMatchObject({
      offset: 5,
      key: 'key',
      headers: { s: 'sender' },
      timestampMs: 1001,
    });
  });

  it('may begin before the offset that was asked for', () => {
    const found = toRecordBatch(target, 7, fetched([batch({ at: 5, values: ['a', 'b', 'c', 'd'] })]));
    expect(texts(found)).toEqual(['7:c', '8:d']);
    expect(found.nextOffset).toBe(9);
  });

  it('may have holes: reading goes on behind the last offset of the last batch', () => {
    const found = toRecordBatch(target, 0, fetched([batch({ at: 2, values: ['a'], length: 4 })]));
    expect(texts(found)).toEqual(['2:a']);
    expect(found.nextOffset).toBe(6);
  });

  it('never shows control batches, and passes them', () => {
    const found = toRecordBatch(target, 0, fetched([marker(0, 1, 'commit'), marker(1, 1, 'abort')]));
    expect(found).toMatchObject({ records: [], fetchOffset: 0, nextOffset: 2 });
  });

  it('never shows aborted records, of several transactions of one producer neither', () => {
    const tx = { attributes: TRANSACTIONAL, producerId: 9 };
    const answer = fetched(
      [
        batch({ at: 0, values: ['x'], ...tx }),
        batch({ at: 1, values: ['plain'] }),
        marker(2, 9, 'abort'),
        batch({ at: 3, values: ['good'], ...tx }),
        marker(4, 9, 'commit'),
        batch({ at: 5, values: ['y'], ...tx }),
        // The end of this one lies beyond the answer.
      ],
      {
        aborted: [
          { producerId: 9n, firstOffset: 0n },
          { producerId: 9n, firstOffset: 5n },
        ],
      },
    );
    const found = toRecordBatch(target, 0, answer);
    expect(texts(found)).toEqual(['1:plain', '3:good']);
    expect(found.nextOffset).toBe(6);
  });

  it('is at the end of the log when nothing stable lies behind it', () => {
    const answer = fetched([batch({ at: 0, values: ['a'] })], { stable: 1 });
    expect(isAtEnd(toRecordBatch(target, 0, answer), answer)).toBe(true);
    const more = fetched([batch({ at: 0, values: ['a'] })], { stable: 2 });
    expect(isAtEnd(toRecordBatch(target, 0, more), more)).toBe(false);
  });

  it('does not keep megabytes alive for a small value', () => {
    const answer = fetched([batch({ at: 0, values: ['small'] })]);
    const big = Buffer.alloc(1024 * 1024);
    answer.records![0]!.records[0]!.value = big.subarray(10, 15);
    expect(toRecordBatch(target, 0, answer).records[0]!.value.buffer.byteLength).toBeLessThan(100);
  });

  it('copies many small values into few buffers, each as it was', () => {
    const values = Array.from({ length: 300 }, (_, at) => `${at}:${'x'.repeat(at)}`);
    const answer = fetched([batch({ at: 0, values })]);
    const big = Buffer.alloc(1024 * 1024);
    for (const record of answer.records![0]!.records) {
      const at = 2000 * record.offsetDelta;
      record.value!.copy(big, at);
      record.value = big.subarray(at, at + record.value!.byteLength);
    }
    const found = toRecordBatch(target, 0, answer).records.map(({ value }) => value);
    expect(found.map((value) => Buffer.from(value).toString())).toEqual(values);
    const buffers = new Set(found.map(({ buffer }) => buffer));
    expect(buffers.size).toBeLessThan(10);
    expect(Math.max(...[...buffers].map(({ byteLength }) => byteLength))).toBeLessThanOrEqual(8192);
  });
});
