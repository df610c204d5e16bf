import * as Y from 'yjs';
import {
  encodeControlPayload,
  encodeKafkaEnvelope,
  encodeSyncPayload,
} from '../../../lib/protocol/envelope.ts';
import { documentKey, type DocumentId } from '../../../lib/protocol/ids.ts';
import { SyncMessageType } from '../../../lib/protocol/message-types.ts';
import { createMetadata } from '../../../lib/protocol/metadata.ts';
import type { DeliveredRecord, StreamRecord } from '../../../lib/stream/port.ts';

export const document: DocumentId = { tenantId: 't', roomId: 'room', docId: 'doc' };

/** A valid Yjs update that inserts one character. */
export function yUpdate(clientID = 1): Uint8Array {
  const doc = new Y.Doc();
  doc.clientID = clientID;
  doc.getText('t').insert(0, 'x');
  return Y.encodeStateAsUpdate(doc);
}

const VALID_UPDATE = yUpdate();

export interface RecordFields {
  version: number;
  extra?: Record<string, unknown>;
  update?: Uint8Array;
  type?: SyncMessageType;
  of?: DocumentId;
}

/** A record as a gateway appends it. */
export function updateRecord({ version, extra = {}, ...fields }: RecordFields): StreamRecord {
  const { of = document, type = SyncMessageType.Update, update = VALID_UPDATE } = fields;
  const metadata = createMetadata({
    ...of,
    senderId: 'sender',
    version,
    generation: 1,
    timestamp: 1_790_000_000_000,
    ...extra,
  });
  return {
    key: documentKey(of),
    value: encodeKafkaEnvelope(metadata, encodeSyncPayload(type, update)),
    headers: { s: 'sender', c: String(version), g: String(metadata.generation), t: '0' },
  };
}

export function barrierRecord(generation: number, of: DocumentId = document): StreamRecord {
  const metadata = createMetadata({ ...of, senderId: 'server', version: 0 });
  const payload = encodeControlPayload({ op: 'barrier', generation, reason: 'restored' });
  return { key: documentKey(of), value: encodeKafkaEnvelope(metadata, payload), headers: { t: '4' } };
}

export function delivered(record: StreamRecord, offset = 0): DeliveredRecord {
  return { ...record, offset, timestampMs: 1_790_000_000_500 };
}

export function isDecodable(update: Uint8Array): boolean {
  try {
    Y.decodeUpdate(update);
    return true;
  } catch {
    return false; // the question was whether it can be decoded
  }
}
