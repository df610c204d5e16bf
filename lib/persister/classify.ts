import { tryDecodeControl, tryDecodeEnvelope, tryDecodeSync, type Message } from '../protocol/envelope.ts';
import { documentKey, parseDocumentKey, type DocumentId } from '../protocol/ids.ts';
import type { ProtocolLimits } from '../protocol/limits.ts';
import { ProtocolMessageType, SyncMessageType } from '../protocol/message-types.ts';
import type { Metadata } from '../protocol/metadata.ts';
import type { BarrierOrigin, IncomingQuarantine, IncomingRecord } from '../store/port.ts';
import type { DeliveredRecord } from '../stream/port.ts';

export interface ClassifierOptions {
  limits: ProtocolLimits;
  /** Whether Yjs can decode the update (V1), and whatever else is asked of one. */
  isDecodable: (update: Uint8Array) => boolean;
}

/** The generation of a document that never had a barrier. */
const FIRST_GENERATION = 1;
/** The last millisecond that a JavaScript Date and PostgreSQL's timestamptz both have. */
const MAX_TIME_MS = 8.64e15;
const ORIGIN = /^[\x21-\x7e]{1,128}$/;

/**
 * What a record of a doc topic is for the store. Never throws: what is no envelope, contradicts itself or
 * cannot be decoded becomes quarantine. Undefined for a command of a newer version: it is passed over.
 */
export function classifyRecord(
  record: DeliveredRecord,
  options: ClassifierOptions,
): IncomingRecord | undefined {
  const document = parseDocumentKey(record.key);
  if (!document) return quarantine(record, 'bad-key');
  const envelope = tryDecodeEnvelope(record.value, options.limits);
  if (!envelope.ok) return quarantine(record, envelope.failure.code, document);
  const contradiction = findContradiction(record, document, envelope.value.metadata);
  if (contradiction) return quarantine(record, contradiction, document);
  switch (envelope.value.type) {
    case ProtocolMessageType.Sync:
      return classifySync(record, document, { message: envelope.value, options });
    case ProtocolMessageType.Control:
      return classifyControl(record, document, envelope.value);
    default:
      return quarantine(record, 'unexpected-message-type', document);
  }
}

/** A record as it stands, with the reason why nobody can use it. */
export function quarantine(
  record: DeliveredRecord,
  reason: string,
  document?: DocumentId,
): IncomingQuarantine {
  const { offset, key, value, headers } = record;
  return {
    kind: 'quarantine',
    offset,
    reason,
    key,
    value,
    headers: { ...headers },
    ...(document ? { document } : {}),
  };
}

/** Key, headers and metadata say the same thing three times; whoever routes by one must not be misled. */
function findContradiction(
  { key, headers }: DeliveredRecord,
  document: DocumentId,
  metadata: Metadata,
): string | undefined {
  const { roomId, docId, subdocId, tenantId = document.tenantId } = metadata;
  const named = { tenantId, roomId, docId, ...(subdocId === undefined ? {} : { subdocId }) };
  if (documentKey(named) !== key) return 'key-contradicts-metadata';
  const pairs: [string | undefined, unknown][] = [
    [headers.s, metadata.senderId],
    [headers.u, metadata.userId],
    [headers.c, metadata.version],
    [headers.g, metadata.generation],
  ];
  const differs = pairs.some(
    ([header, value]) => header !== undefined && value !== undefined && header !== String(value),
  );
  return differs ? 'headers-contradict-metadata' : undefined;
}

function classifySync(
  record: DeliveredRecord,
  document: DocumentId,
  { message, options }: { message: Message; options: ClassifierOptions },
): IncomingRecord {
  const sync = tryDecodeSync(message.content);
  if (!sync.ok) return quarantine(record, sync.failure.code, document);
  if (sync.value.type === SyncMessageType.Step1) return quarantine(record, 'question-in-log', document);
  if (!options.isDecodable(sync.value.body)) return quarantine(record, 'BAD_UPDATE', document);
  const { metadata } = message;
  return {
    kind: 'update',
    offset: record.offset,
    document,
    generation: generationOf(record, metadata),
    senderId: metadata.senderId,
    clientVersion: metadata.version,
    ...(metadata.userId === undefined ? {} : { userId: metadata.userId }),
    ...originOf(record),
    atMs: timeOf(record, metadata),
    metadata,
    payload: sync.value.body,
  };
}

/** What the gateway stamped beside the envelope; whatever else stands there is left out. */
function originOf({ headers }: DeliveredRecord): { connectionId?: string; clientAddress?: string } {
  const { i: connectionId, a: clientAddress } = headers;
  return {
    ...(connectionId !== undefined && ORIGIN.test(connectionId) ? { connectionId } : {}),
    ...(clientAddress !== undefined && ORIGIN.test(clientAddress) ? { clientAddress } : {}),
  };
}

function classifyControl(
  record: DeliveredRecord,
  document: DocumentId,
  message: Message,
): IncomingRecord | undefined {
  const control = tryDecodeControl(message.content);
  if (!control.ok) return quarantine(record, control.failure.code, document);
  if (control.value.op === 'unknown') return undefined;
  const { generation, reason, key, parts } = control.value;
  const { senderId, userId } = message.metadata;
  const origin: BarrierOrigin = {
    senderId,
    atMs: timeOf(record, message.metadata),
    ...(key === undefined ? {} : { key }),
    ...(userId === undefined ? {} : { userId }),
    ...(parts === undefined ? {} : { parts }),
  };
  return { kind: 'barrier', offset: record.offset, document, generation, reason, origin };
}

function generationOf({ headers }: DeliveredRecord, metadata: Metadata): number {
  if (metadata.generation !== undefined) return metadata.generation;
  return headers.g !== undefined && /^\d{1,15}$/.test(headers.g) ? Number(headers.g) : FIRST_GENERATION;
}

/** The gateway's stamp, else the writer's clock if it is a time at all, else the log's. */
function timeOf(record: DeliveredRecord, { receivedAt, timestamp }: Metadata): number {
  const found = [receivedAt, timestamp].find(
    (time): time is number => typeof time === 'number' && time >= 0 && time <= MAX_TIME_MS,
  );
  return Math.trunc(found ?? record.timestampMs);
}
