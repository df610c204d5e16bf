import { decodePayload, tryDecodeControl, tryDecodeSync } from '../protocol/envelope.ts';
import { ProtocolMessageType, SyncMessageType } from '../protocol/message-types.ts';
import type { StreamRecord } from '../stream/port.ts';

/** What a record of a doc topic says about its document. */
export type LogEntry =
  | {
      kind: 'update';
      generation: number;
      senderId: string;
      userId?: string;
      clientVersion: number;
      payload: Uint8Array;
    }
  | { kind: 'barrier'; generation: number; deletes: boolean };

/** Undefined for what nobody can use: the persister quarantines it, joins pass over it. Never throws. */
export function readLogEntry(record: StreamRecord): LogEntry | undefined {
  const content = contentOf(record.value);
  if (content?.type === ProtocolMessageType.Sync) return readUpdate(record.headers, content.bytes);
  if (content?.type !== ProtocolMessageType.Control) return undefined;
  const control = tryDecodeControl(content.bytes);
  if (!control.ok || control.value.op !== 'barrier') return undefined;
  const { generation, reason } = control.value;
  return { kind: 'barrier', generation, deletes: reason === 'deleted' };
}

function readUpdate(headers: StreamRecord['headers'], content: Uint8Array): LogEntry | undefined {
  const { s: senderId, u: userId, c, g } = headers;
  const clientVersion = decimal(c);
  const generation = decimal(g);
  if (!senderId || clientVersion === undefined || generation === undefined) return undefined;
  const sync = tryDecodeSync(content);
  if (!sync.ok || sync.value.type === SyncMessageType.Step1) return undefined;
  const writer = { senderId, ...(userId ? { userId } : {}) };
  return { kind: 'update', generation, ...writer, clientVersion, payload: sync.value.body };
}

/** A sender id that somebody else took is another writer. Ids have no control characters: the separator is unambiguous. */
export function ownerOf(senderId: string, userId = ''): string {
  return `${userId}\n${senderId}`;
}

/** Message type and what follows it, without parsing the metadata: the headers say what is needed of it. */
function contentOf(envelope: Uint8Array): { type: number; bytes: Uint8Array } | undefined {
  try {
    const payload = decodePayload(envelope);
    // All message types are below 128: one byte.
    return { type: payload[0]!, bytes: payload.subarray(1) };
  } catch {
    return undefined; // truncated: nobody can use it
  }
}

function decimal(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{1,16}$/.test(text)) return undefined;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : undefined;
}
