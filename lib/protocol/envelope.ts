import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import { readCount, readLengthPrefixed } from './bytes.ts';
import { decoded, failed, unwrap, type Decoded } from './failures.ts';
import { isValidId } from './ids.ts';
import { parseBoundedJson } from './json.ts';
import { DEFAULT_LIMITS, type ProtocolLimits } from './limits.ts';
import { isProtocolMessageType, ProtocolMessageType, SyncMessageType } from './message-types.ts';
import { validateMetadata, type Metadata } from './metadata.ts';

/*
 * The envelope: the same bytes on the sockets and in Kafka.
 *
 *   Uint16   metadataLength   little-endian
 *   bytes    metadata         UTF-8 JSON object, metadataLength bytes
 *   VarUint  messageType      0 sync, 1 awareness, 2 auth, 3 queryAwareness, 4 control
 *   bytes    content          what y-protocols writes after the type
 *
 * "Payload" means message type and content together: a y-protocols handler reads it unchanged.
 * Metadata stands first so that a router reads it without touching what follows.
 */

export interface Envelope {
  metadata: Metadata;
  /** Message type and content, a view on the input. */
  payload: Uint8Array;
}

export interface Message extends Envelope {
  type: ProtocolMessageType;
  /** What follows the message type, a view on the input. */
  content: Uint8Array;
}

const encoder = new TextEncoder();

/** Throws ProtocolError METADATA_TOO_LARGE above 65,535 bytes of JSON, the most that the length field holds. */
export function encodeKafkaEnvelope(metadata: Metadata, payload: Uint8Array): Uint8Array {
  const json = encoder.encode(JSON.stringify(metadata));
  if (json.byteLength > 0xffff) unwrap(failed('METADATA_TOO_LARGE'));
  return joinEnvelope(json, payload);
}

/** The envelope of metadata that are JSON already, at most 65,535 bytes of it. */
export function joinEnvelope(json: Uint8Array, payload: Uint8Array): Uint8Array {
  const envelope = new Uint8Array(2 + json.byteLength + payload.byteLength);
  envelope[0] = json.byteLength & 0xff;
  envelope[1] = json.byteLength >>> 8;
  envelope.set(json, 2);
  envelope.set(payload, 2 + json.byteLength);
  return envelope;
}

/** An envelope from a message type and the content that follows it. */
export function encodeMessage(
  metadata: Metadata,
  type: ProtocolMessageType,
  content: Uint8Array,
): Uint8Array {
  return encodeKafkaEnvelope(metadata, encodePayload(type, content));
}

export function encodePayload(type: ProtocolMessageType, content: Uint8Array): Uint8Array {
  const payload = encoding.createEncoder();
  encoding.writeVarUint(payload, type);
  encoding.writeUint8Array(payload, content);
  return encoding.toUint8Array(payload);
}

/** Reads the metadata and nothing behind it. */
export function tryDecodeMetadata(
  bytes: Uint8Array,
  limits: ProtocolLimits = DEFAULT_LIMITS,
): Decoded<Metadata> {
  const json = metadataBytes(bytes, limits);
  if (!json.ok) return json;
  const parsed = parseBoundedJson(json.value);
  if (!parsed.ok) return failed('BAD_METADATA', `The metadata ${parsed.problem}.`);
  return validateMetadata(parsed.value, limits);
}

function metadataBytes(bytes: Uint8Array, limits: ProtocolLimits): Decoded<Uint8Array> {
  if (bytes.byteLength < 2) return failed('BAD_ENVELOPE');
  const length = bytes[0]! | (bytes[1]! << 8);
  if (length > limits.maxMetadataBytes) return failed('METADATA_TOO_LARGE');
  if (2 + length > bytes.byteLength)
    return failed('BAD_ENVELOPE', 'The metadata length goes beyond the envelope.');
  return decoded(bytes.subarray(2, 2 + length));
}

function payloadOf(bytes: Uint8Array): Decoded<Uint8Array> {
  if (bytes.byteLength < 2) return failed('BAD_ENVELOPE');
  const start = 2 + (bytes[0]! | (bytes[1]! << 8));
  return start < bytes.byteLength
    ? decoded(bytes.subarray(start))
    : failed('BAD_ENVELOPE', 'The envelope has no payload.');
}

/** Splits an envelope; the payload is a view on `bytes`. The message type is checked, the content is not. */
export function tryDecodeEnvelope(
  bytes: Uint8Array,
  limits: ProtocolLimits = DEFAULT_LIMITS,
): Decoded<Message> {
  const metadata = tryDecodeMetadata(bytes, limits);
  if (!metadata.ok) return metadata;
  const payload = payloadOf(bytes);
  if (!payload.ok) return payload;
  const decoder = decoding.createDecoder(payload.value);
  const type = readCount(decoder);
  if (type === undefined || !isProtocolMessageType(type))
    return failed('BAD_ENVELOPE', 'The message type is unknown.');
  return decoded({
    metadata: metadata.value,
    payload: payload.value,
    type,
    content: payload.value.subarray(decoder.pos),
  });
}

/** Throws ProtocolError. */
export function decodeKafkaEnvelope(bytes: Uint8Array, limits?: ProtocolLimits): Envelope {
  const { metadata, payload } = unwrap(tryDecodeEnvelope(bytes, limits));
  return { metadata, payload };
}

/** Throws ProtocolError. */
export function decodeMessage(bytes: Uint8Array, limits?: ProtocolLimits): Message {
  return unwrap(tryDecodeEnvelope(bytes, limits));
}

/** Throws ProtocolError. */
export function decodeMetadata(bytes: Uint8Array, limits?: ProtocolLimits): Metadata {
  return unwrap(tryDecodeMetadata(bytes, limits));
}

/** The message type of an envelope, without parsing its metadata. Throws ProtocolError. */
export function decodeMessageType(bytes: Uint8Array): ProtocolMessageType {
  const type = readCount(decoding.createDecoder(unwrap(payloadOf(bytes))));
  if (type === undefined || !isProtocolMessageType(type))
    return unwrap(failed('BAD_ENVELOPE', 'The message type is unknown.'));
  return type;
}

/** Message type and content of an envelope as a view, without parsing its metadata. Throws ProtocolError. */
export function decodePayload(bytes: Uint8Array): Uint8Array {
  return unwrap(payloadOf(bytes));
}

/*
 * Sync content, as y-protocols writes it:
 *   VarUint  0 step1 | 1 step2 | 2 update
 *   VarUint  length, then the state vector (step1) or the update (step2, update)
 */

export interface SyncContent {
  type: SyncMessageType;
  /** State vector or update, a view on the input. */
  body: Uint8Array;
}

/** Reads the content of a sync message; trailing bytes are an error, so that nothing hides behind an update. */
export function tryDecodeSync(content: Uint8Array): Decoded<SyncContent> {
  const decoder = decoding.createDecoder(content);
  const type = readCount(decoder);
  const body = readLengthPrefixed(decoder);
  if (
    type === undefined ||
    type > SyncMessageType.Update ||
    body === undefined ||
    decoding.hasContent(decoder)
  ) {
    return failed('BAD_ENVELOPE', 'The sync message is malformed.');
  }
  return decoded({ type: type as SyncMessageType, body });
}

/** A whole payload (message type 0) that carries `body` as step1, step2 or update. */
export function encodeSyncPayload(type: SyncMessageType, body: Uint8Array): Uint8Array {
  const payload = encoding.createEncoder();
  encoding.writeVarUint(payload, ProtocolMessageType.Sync);
  encoding.writeVarUint(payload, type);
  encoding.writeVarUint8Array(payload, body);
  return encoding.toUint8Array(payload);
}

/** An envelope that asks for what `stateVector` lacks. It is a question: it never enters the log. */
export function encodeSyncStep1(metadata: Metadata, stateVector: Uint8Array): Uint8Array {
  return encodeKafkaEnvelope(metadata, encodeSyncPayload(SyncMessageType.Step1, stateVector));
}

/*
 * Awareness content: VarUint length, then the awareness update of y-protocols.
 * Control content:   VarUint length, then UTF-8 JSON { op, … }.
 */

export function tryDecodeAwareness(content: Uint8Array): Decoded<Uint8Array> {
  const decoder = decoding.createDecoder(content);
  const update = readLengthPrefixed(decoder);
  return update === undefined || decoding.hasContent(decoder) ? failed('BAD_AWARENESS') : decoded(update);
}

export function encodeAwarenessPayload(update: Uint8Array): Uint8Array {
  const payload = encoding.createEncoder();
  encoding.writeVarUint(payload, ProtocolMessageType.Awareness);
  encoding.writeVarUint8Array(payload, update);
  return encoding.toUint8Array(payload);
}

const BARRIER_REASONS = ['deleted', 'recreated', 'restored'] as const;

/** A barrier begins `generation`; what was written for an earlier one is stale behind it. */
export interface BarrierMessage {
  op: 'barrier';
  generation: number;
  reason: (typeof BARRIER_REASONS)[number];
  /** Names the operation that wrote it, so that a repetition finds it. */
  key?: string;
  /** With `restored`: so many updates of the new generation, by the barrier's sender, make up its first state. */
  parts?: number;
}

/** Commands in the log. */
export type ControlMessage = BarrierMessage | { op: 'unknown' };

export function encodeControlPayload(message: ControlMessage): Uint8Array {
  const payload = encoding.createEncoder();
  encoding.writeVarUint(payload, ProtocolMessageType.Control);
  encoding.writeVarString(payload, JSON.stringify(message));
  return encoding.toUint8Array(payload);
}

/** Unknown operations come back as `{ op: 'unknown' }`, so that an older reader passes over a newer command. */
export function tryDecodeControl(content: Uint8Array): Decoded<ControlMessage> {
  const decoder = decoding.createDecoder(content);
  const bytes = readLengthPrefixed(decoder);
  if (bytes === undefined || decoding.hasContent(decoder)) return badControl('is truncated or has a tail');
  const parsed = parseBoundedJson(bytes);
  if (!parsed.ok) return badControl(parsed.problem);
  const json = parsed.value as Partial<Record<'op' | keyof BarrierMessage, unknown>> | null;
  if (typeof json?.op !== 'string') return badControl('has no `op`');
  if (json.op !== 'barrier') return decoded({ op: 'unknown' });
  const reason = BARRIER_REASONS.find((known) => known === json.reason);
  if (!Number.isSafeInteger(json.generation) || (json.generation as number) < 1 || reason === undefined)
    return badControl('is not a barrier of a generation');
  return decoded({
    op: 'barrier',
    generation: json.generation as number,
    reason,
    // What only an operation reads must not make a barrier unreadable for everybody else.
    ...(isValidId(json.key) ? { key: json.key } : {}),
    ...(Number.isSafeInteger(json.parts) ? { parts: json.parts as number } : {}),
  });
}

const badControl = (problem: string) => failed('BAD_ENVELOPE', `The control message ${problem}.`);
