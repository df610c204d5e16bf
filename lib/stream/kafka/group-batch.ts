import type { Batch, IHeaders, KafkaMessage } from 'kafkajs';
import type { DeliveredRecord, RecordBatch } from '../port.ts';

/** Where the fetch of the batch began. kafkajs has it at run time, but not in its types. */
export function fetchedOffsetOf(batch: Batch): number {
  return Number((batch as Batch & { fetchedOffset: string }).fetchedOffset);
}

/** A kafkajs batch as the port delivers it; control records have been left out by kafkajs. */
export function toGroupBatch(batch: Batch, fetchOffset: number): RecordBatch {
  return {
    topic: batch.topic,
    partition: batch.partition,
    fetchOffset,
    nextOffset: Number(batch.lastOffset()) + 1,
    records: batch.messages.map(toRecord),
  };
}

function toRecord(message: KafkaMessage): DeliveredRecord {
  return {
    offset: Number(message.offset),
    key: message.key?.toString('utf8') ?? '',
    value: message.value ?? new Uint8Array(0),
    headers: toHeaders(message.headers),
    timestampMs: Number(message.timestamp),
  };
}

/** Of a header that stands several times the last one counts. */
function toHeaders(headers: IHeaders | undefined): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers ?? {})) {
    const last = Array.isArray(value) ? value.at(-1) : value;
    if (last !== undefined) found[name] = last.toString();
  }
  return found;
}
