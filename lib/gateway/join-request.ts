import type { JoinRequest } from '../protocol/events.ts';
import { decoded, failed, type Decoded } from '../protocol/failures.ts';
import { isValidId } from '../protocol/ids.ts';
import { MAX_STATE_VECTOR_BYTES, type ProtocolLimits } from '../protocol/limits.ts';
import { validateAddress } from '../protocol/metadata.ts';
import { isPosition, type Position } from '../protocol/position.ts';
import { isStateVector } from '../protocol/state-vector.ts';

/** Reads what a client sent with `join`; unknown keys are ignored. Never throws. */
export function readJoinRequest(value: unknown, limits: ProtocolLimits): Decoded<JoinRequest> {
  if (typeof value !== 'object' || value === null) return failed('BAD_REQUEST');
  const fields = value as Record<string, unknown>;
  const address = validateAddress(fields, limits);
  if (!address.ok) return address;
  if (!isValidId(fields.senderId, limits.maxIdBytes))
    return failed('BAD_ID', '`senderId` is missing or not a valid id.');
  const request: JoinRequest = { ...address.value, senderId: fields.senderId };
  for (const name of ['position', 'heard'] as const) {
    const position = fields[name];
    if (position === undefined || position === null) continue;
    if (!isPosition(position)) return failed('BAD_REQUEST', `\`${name}\` is not a position.`);
    request[name] = plain(position);
  }
  const vector = bytesOf(fields.stateVector);
  const maxVectorBytes = Math.max(limits.maxFrameBytes, MAX_STATE_VECTOR_BYTES);
  if (vector === null || (vector && (vector.byteLength > maxVectorBytes || !isStateVector(vector))))
    return failed('BAD_REQUEST', '`stateVector` is not a state vector.');
  if (vector) request.stateVector = vector;
  return decoded(request);
}

/** Undefined when it is left out, null when it is something else. */
export function bytesOf(value: unknown): Uint8Array | undefined | null {
  if (value === undefined || value === null) return undefined;
  if (value instanceof Uint8Array) return value;
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  return null;
}

function plain({ generation, epoch, partition, offset }: Position): Position {
  return { generation, epoch, partition, offset };
}
