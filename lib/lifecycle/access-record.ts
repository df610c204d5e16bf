import type { StreamRecord } from '../stream/port.ts';

/*
 * Records of the control topic about rights: key = `access`, header t = 4, value = UTF-8 JSON
 *
 *   { "op": "access-changed", "tenantId"?, "roomId"?, "userId"?, "sessionId"?, "revoked"?, "id"? }
 *   { "op": "pulse", "id": string }            a gateway's own, to see that it reads the topic
 */

/**
 * A change of rights. What is left out means all: without `roomId` every room of the tenant, without `tenantId` every
 * room there is, without `userId` everybody.
 */
export interface AccessChange {
  tenantId?: string;
  roomId?: string;
  userId?: string;
  /** This session has ended; says nothing about rights. */
  sessionId?: string;
  /** The access is gone for sure; nobody need be asked. */
  revoked?: boolean;
  /** Grows with each change: one that comes again, or behind a later one, is known by it. */
  id?: number;
}

const KEY = 'access';
const CHANGED = 'access-changed';
const PULSE = 'pulse';
const FIELDS = ['tenantId', 'roomId', 'userId', 'sessionId'] as const;

export function encodeAccessChange(change: AccessChange): StreamRecord {
  return recordOf({ op: CHANGED, ...change });
}

export function encodePulse(id: string): StreamRecord {
  return recordOf({ op: PULSE, id });
}

/** Undefined for every other record of the control topic, and for what cannot be read. Never throws. */
export function readAccessRecord({ key, value }: StreamRecord): AccessChange | { pulse: string } | undefined {
  if (key !== KEY) return undefined;
  let json: Record<string, unknown> | null;
  try {
    json = JSON.parse(new TextDecoder().decode(value)) as Record<string, unknown> | null;
  } catch {
    return undefined; // no JSON: not one of ours
  }
  if (json?.op === PULSE && typeof json.id === 'string') return { pulse: json.id };
  if (json?.op !== CHANGED) return undefined;
  const change: AccessChange = {};
  for (const field of FIELDS) {
    const text = json[field];
    if (typeof text === 'string') change[field] = text;
  }
  if (json.revoked === true) change.revoked = true;
  if (Number.isSafeInteger(json.id)) change.id = json.id as number;
  return change;
}

function recordOf(content: object): StreamRecord {
  return { key: KEY, value: new TextEncoder().encode(JSON.stringify(content)), headers: { t: '4' } };
}
