import { createHash } from 'node:crypto';
import { encodeControlPayload, encodeKafkaEnvelope, encodeSyncPayload } from '../protocol/envelope.ts';
import type { BarrierMessage } from '../protocol/envelope.ts';
import { documentKey, type DocumentId } from '../protocol/ids.ts';
import { ProtocolMessageType, SyncMessageType } from '../protocol/message-types.ts';
import { createMetadata } from '../protocol/metadata.ts';
import type { StreamRecord } from '../stream/port.ts';

/** Who writes, for which document, and when by the clock of this process. */
export interface Author {
  document: DocumentId;
  senderId: string;
  userId?: string;
  atMs: number;
}

/** The record that begins a generation. */
export function barrierRecord(author: Author, barrier: Omit<BarrierMessage, 'op'>): StreamRecord {
  const payload = encodeControlPayload({ op: 'barrier', ...barrier });
  const { generation } = barrier;
  return recordOf(author, { payload, generation, version: 0, type: ProtocolMessageType.Control });
}

/** One update of a restored state; its retry key makes a repetition harmless. */
export function partRecord(
  author: Author,
  part: { generation: number; version: number; update: Uint8Array },
): StreamRecord {
  const { update, ...place } = part;
  const payload = encodeSyncPayload(SyncMessageType.Update, update);
  return recordOf(author, { payload, ...place, type: ProtocolMessageType.Sync });
}

function recordOf(
  { document, senderId, userId, atMs }: Author,
  record: { payload: Uint8Array; generation: number; version: number; type: ProtocolMessageType },
): StreamRecord {
  const { payload, generation, version, type } = record;
  const user = userId === undefined ? {} : { userId };
  const metadata = createMetadata({ ...document, senderId, version, generation, timestamp: atMs, ...user });
  return {
    key: documentKey(document),
    value: encodeKafkaEnvelope(metadata, payload),
    headers: {
      s: senderId,
      c: String(version),
      g: String(generation),
      t: String(type),
      ...(userId === undefined ? {} : { u: userId }),
    },
  };
}

/** The sender of an operation: the same for its repetitions, another one for another key or another content. */
export function senderOf(document: DocumentId, key: string, content?: Uint8Array): string {
  const hash = createHash('sha256').update(JSON.stringify([documentKey(document), key]));
  if (content) hash.update(content);
  return hash.digest('hex').slice(0, 32);
}
