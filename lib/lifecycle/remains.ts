import type { DocumentId } from '../protocol/ids.ts';
import type { Position } from '../protocol/position.ts';
import type { Stream } from '../stream/port.ts';
import type { DocumentReader } from './document-view.ts';

export interface RemainsParts {
  stream: Pick<Stream, 'startOffset' | 'read' | 'retention'>;
  reader: DocumentReader;
  /** Most bytes of one record. */
  maxRecordBytes: number;
}

/** What the log still holds of a document's last deletion. */
export interface Remains {
  /** Where the deletion is; absent when the document was never deleted. */
  deletion?: Position;
  /** True while records from before the deletion can still be read from the topic. */
  inLog: boolean;
  /** With `inLog`: the hour by which they are gone, as an ISO time; absent when the log forgets by other means. */
  until?: string;
}

const HOUR_MS = 3_600_000;
/**
 * Beside retention and segment: what was on its way at the deletion, the broker's look at its segments
 * (log.retention.check.interval.ms, 5 min) and the time until it removes the files (file.delete.delay.ms, 1 min).
 */
const SLACK_MS = 10 * 60_000;

/** Until when the topic may hold what was deleted, by the topic's settings now. STREAM_UNAVAILABLE, STORE_UNAVAILABLE. */
export async function remainsOf(document: DocumentId, parts: RemainsParts): Promise<Remains> {
  const { stream, reader, maxRecordBytes } = parts;
  const { at, generations } = await reader.read(document);
  const last = generations.find(({ reason }) => reason === 'deleted');
  if (!last) return { inLog: false };
  const { generation, epoch, partition, offset } = last;
  const deletion = { generation, epoch, partition, offset };
  // Of another epoch's topic nothing is known: it was made again, and with it went its records.
  if (epoch !== at.epoch || (await stream.startOffset(at)) > offset) return { deletion, inLog: false };
  const retention = await stream.retention?.(at.topic);
  if (retention?.retentionMs === undefined) return { deletion, inLog: true };
  const range = { fromOffset: offset, toOffset: offset + 1, maxBytes: maxRecordBytes };
  const { records } = await stream.read({ ...at, ...range });
  const atMs = Math.max(last.atMs ?? 0, records.find((record) => record.offset === offset)?.timestampMs ?? 0);
  const untilMs = atMs + retention.retentionMs + (retention.segmentMs ?? 0) + SLACK_MS;
  return { deletion, inLog: true, until: new Date(Math.ceil(untilMs / HOUR_MS) * HOUR_MS).toISOString() };
}
