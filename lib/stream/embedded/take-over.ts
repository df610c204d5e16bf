import { AppError } from '../../errors.ts';
import type { DeliveredRecord } from '../port.ts';
import type { OpenedLog, PartitionRow, TopicRow } from './log-store.ts';
import type { PartitionLog } from './partition-log.ts';
import type { TopicTable } from './topic-table.ts';

const ALL = { maxRecords: Infinity, maxBytes: Infinity };

interface Found {
  log: PartitionLog;
  row: PartitionRow;
  /** In the file, and told to nobody: the answer to their append was lost. */
  unheard: DeliveredRecord[];
}

/**
 * Brings the table and the file together after it was opened again: what was on its way when it was lost is in it or is
 * not. STREAM_IDENTITY_CHANGED when it lacks what was known to be in it: its offsets would be given out once more.
 * Nothing is changed before the returned function is called; that delivers the records, so that every reader has them
 * before the next append, and a repeat of one is known as such.
 */
export async function takeOver(file: OpenedLog, table: TopicTable): Promise<() => void> {
  const rows = new Map(file.topics.map((row) => [row.name, row]));
  for (const name of table.names()) requireSame(table, name, rows.get(name));
  const found: Found[] = [];
  for (const { name, partitions } of file.topics)
    for (const log of table.partitionsOf(name)) {
      const row = partitions[log.partition]!;
      found.push({ log, row, unheard: await unheardOf(file, log, row) });
    }
  return () => {
    for (const { log, row, unheard } of found) log.takeOver(row, unheard);
    for (const row of file.topics) table.adopt(row);
  };
}

function requireSame(table: TopicTable, name: string, row: TopicRow | undefined): void {
  const logs = table.partitionsOf(name);
  const isSame =
    row?.topicId === table.identity(name)?.topicId &&
    row?.partitions.length === logs.length &&
    logs.every(({ id, partition }) => row.partitions[partition]?.id === id);
  if (!isSame)
    throw new AppError('STREAM_IDENTITY_CHANGED', {
      message: `The topic ${name} is another one than before.`,
    });
}

async function unheardOf(file: OpenedLog, log: PartitionLog, row: PartitionRow): Promise<DeliveredRecord[]> {
  const { topic, partition, heldThrough, nextOffset } = log;
  if (row.lastOffset < heldThrough && row.startOffset <= heldThrough)
    throw new AppError('STREAM_IDENTITY_CHANGED', {
      message: `The log has lost records: ${topic}/${partition} ended at ${heldThrough}, and now at ${row.lastOffset}.`,
      data: { topic, partition, heldThrough, lastOffset: row.lastOffset },
    });
  if (row.lastOffset < nextOffset) return [];
  const range = { partitionId: row.id, from: nextOffset, to: row.lastOffset + 1 };
  return (await file.range(range, ALL)).records;
}
