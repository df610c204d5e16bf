import { decoded, failed, type Decoded } from './failures.ts';
import { isValidId, type DocumentAddress } from './ids.ts';
import { DEFAULT_LIMITS, FORMAT_VERSION, type ProtocolLimits } from './limits.ts';

/** What a client writes. `version` is its counter of updates of this document, from 1 (0: not an update). */
export interface ClientMetadata extends DocumentAddress {
  v: number;
  senderId: string;
  version: number;
  /** Milliseconds since 1970 by the writer's clock: for display only. */
  timestamp: number;
  /** Generation of the state that the sender edited; the gateway never changes it. */
  generation?: number;
  traceparent?: string;
  [unknownKey: string]: unknown;
}

/** What the log and other clients see: stamped by the gateway. */
export interface Metadata extends ClientMetadata {
  tenantId?: string;
  userId?: string;
}

/** Keys that the server owns: removed from what a client sends, also when there is nothing to stamp. */
export const SERVER_KEYS = [
  'userId',
  'tenantId',
  'connectionId',
  'clientAddress',
  'receivedAt',
  'traceparent',
] as const;

/** Fills in what may be left out: format version, time, `roomId` (which then means `docId`). */
export function createMetadata(
  fields: Omit<Metadata, 'v' | 'timestamp' | 'roomId'> & { roomId?: string; timestamp?: number },
): Metadata {
  const { roomId, docId, subdocId, senderId, version, timestamp, ...rest } = fields;
  return {
    v: FORMAT_VERSION,
    roomId: roomId ?? docId,
    docId,
    ...(subdocId === undefined ? {} : { subdocId }),
    senderId,
    version,
    timestamp: timestamp ?? Date.now(),
    ...rest,
  } as Metadata;
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** Checks shape and limits of parsed JSON; unknown keys are kept, a missing `roomId` becomes `docId`. */
export function validateMetadata(json: unknown, limits: ProtocolLimits = DEFAULT_LIMITS): Decoded<Metadata> {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return failed('BAD_METADATA');
  const m = json as Record<string, unknown>;
  const v = m.v ?? FORMAT_VERSION;
  if (!isCount(v) || v === 0)
    return failed('BAD_METADATA', 'The format version `v` must be a positive integer.');
  if (v > FORMAT_VERSION) {
    return failed(
      'UNSUPPORTED_VERSION',
      `Format version ${v} is newer than ${FORMAT_VERSION}, which this reader knows.`,
    );
  }
  const address = validateAddress(m, limits);
  if (!address.ok) return address;
  if (!isValidId(m.senderId, limits.maxIdBytes))
    return failed('BAD_ID', '`senderId` is missing or not a valid id.');
  if (!isCount(m.version)) return failed('BAD_METADATA', '`version` must be an integer from 0.');
  if (typeof m.timestamp !== 'number' || !Number.isFinite(m.timestamp)) {
    return failed('BAD_METADATA', '`timestamp` must be a number of milliseconds.');
  }
  if (m.generation !== undefined && !isCount(m.generation)) {
    return failed('BAD_METADATA', '`generation` must be an integer from 0.');
  }
  for (const key of ['userId', 'tenantId'] as const) {
    if (m[key] !== undefined && !isValidId(m[key], limits.maxIdBytes))
      return failed('BAD_ID', `\`${key}\` is not a valid id.`);
  }
  if (m.traceparent !== undefined && typeof m.traceparent !== 'string') {
    return failed('BAD_METADATA', '`traceparent` must be a text.');
  }
  const { subdocId: _given, ...rest } = m; // a `null` must not stay; a valid one is in the address
  return decoded({ ...rest, ...address.value, v } as Metadata);
}

/** Checks the ids of an address inside any object (metadata, `join`, `leave`). */
export function validateAddress(
  value: Record<string, unknown>,
  limits: ProtocolLimits = DEFAULT_LIMITS,
): Decoded<DocumentAddress> {
  const { docId, subdocId } = value;
  const roomId = value.roomId ?? docId;
  for (const [name, id] of [
    ['docId', docId],
    ['roomId', roomId],
  ] as const) {
    if (!isValidId(id, limits.maxIdBytes))
      return failed('BAD_ID', `\`${name}\` is missing or not a valid id.`);
  }
  if (subdocId === undefined || subdocId === null)
    return decoded({ roomId: roomId as string, docId: docId as string });
  if (!isValidId(subdocId, limits.maxIdBytes)) return failed('BAD_ID', '`subdocId` is not a valid id.');
  return decoded({ roomId: roomId as string, docId: docId as string, subdocId });
}
