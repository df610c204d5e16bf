import {
  encodeControlPayload,
  encodeKafkaEnvelope,
  encodeSyncPayload,
  type BarrierMessage,
} from '../../lib/protocol/envelope.ts';
import { documentKey, type DocumentId } from '../../lib/protocol/ids.ts';
import { SyncMessageType } from '../../lib/protocol/message-types.ts';
import { createMetadata } from '../../lib/protocol/metadata.ts';
import type { Stream, StreamRecord } from '../../lib/stream/port.ts';
import type { TopicResolver } from '../../lib/stream/topics.ts';

const MAX_READ_BYTES = 16 * 1024 * 1024;

/** An update as the gateway appends it. */
export function updateRecord(
  document: DocumentId,
  update: Uint8Array,
  by: { senderId: string; userId?: string; version: number; generation: number },
): StreamRecord {
  const { tenantId: _, ...address } = document;
  const metadata = createMetadata({ ...address, ...by, timestamp: 0 });
  return {
    key: documentKey(document),
    value: encodeKafkaEnvelope(metadata, encodeSyncPayload(SyncMessageType.Update, update)),
    headers: {
      s: by.senderId,
      ...(by.userId === undefined ? {} : { u: by.userId }),
      c: String(by.version),
      g: String(by.generation),
      t: '0',
    },
  };
}

/** The beginning of a generation. */
export function barrierRecord(
  document: DocumentId,
  generation: number,
  reason: BarrierMessage['reason'] = 'restored',
): StreamRecord {
  const { tenantId: _, ...address } = document;
  const metadata = createMetadata({ ...address, senderId: 'server', version: 0, generation, timestamp: 0 });
  const payload = encodeControlPayload({ op: 'barrier', generation, reason });
  return {
    key: documentKey(document),
    value: encodeKafkaEnvelope(metadata, payload),
    headers: { s: 'server', c: '0', g: String(generation), t: '4' },
  };
}

/** How many updates of a document are in the log. One that was sent again before its ack came lies there twice. */
export async function updatesInLog(
  document: DocumentId,
  { stream, topics }: { stream: () => Promise<Stream>; topics: TopicResolver },
): Promise<number> {
  const log = await stream();
  const target = topics.target('doc', document);
  const toOffset = await log.endOffset(target);
  if (toOffset === 0) return 0;
  const { records } = await log.read({ ...target, fromOffset: 0, toOffset, maxBytes: MAX_READ_BYTES });
  const updates = records.filter(({ key, headers }) => key === documentKey(document) && headers.t === '0');
  return new Set(updates.map(({ headers: { s, u, g, c } }) => [s, u, g, c].join(' '))).size;
}
