import {
  encodeControlPayload,
  encodeKafkaEnvelope,
  encodeSyncPayload,
  type BarrierMessage,
} from '../../lib/protocol/envelope.ts';
import { documentKey, type DocumentId } from '../../lib/protocol/ids.ts';
import { SyncMessageType } from '../../lib/protocol/message-types.ts';
import { createMetadata } from '../../lib/protocol/metadata.ts';
import type { StreamRecord } from '../../lib/stream/port.ts';

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
