import { AppError, isAppError } from '../../errors.ts';
import type { TopicPartition } from '../port.ts';
import type { ClusterClient } from './cluster-client.ts';
import type { PartitionReader } from './partition-reader.ts';

const MAX_HOLE_BYTES = 64 * 1024;

/**
 * STREAM_OFFSET_OUT_OF_RANGE when the log does not hold the offset: kafkajs itself would answer that by reading from
 * somewhere else, with a log line only.
 */
export async function requireInRange(
  cluster: ClusterClient,
  { topic, partition }: TopicPartition,
  offset: number,
): Promise<void> {
  const first = (await cluster.offset({ topic, partition }, 'first')) ?? 0;
  const end = (await cluster.offset({ topic, partition }, 'end')) ?? 0;
  if (offset >= first && offset <= end) return;
  throw new AppError('STREAM_OFFSET_OUT_OF_RANGE', { data: { topic, partition, offset, first, end } });
}

/** True when the range has no records: kafkajs passes what has none by itself, without a batch. */
export async function isHole(
  reader: PartitionReader,
  { topic, partition }: TopicPartition,
  range: { from: number; to: number },
): Promise<boolean> {
  if (range.to <= range.from) return false;
  try {
    const request = { topic, partition, fromOffset: range.from, toOffset: range.to };
    const found = await reader.read({ ...request, maxBytes: MAX_HOLE_BYTES });
    return found.records.length === 0 && found.nextOffset >= range.to;
  } catch (error) {
    if (isAppError(error, 'STORE_BEHIND')) return false; // far from empty
    throw error;
  }
}
