import { joinEnvelope } from '../protocol/envelope.ts';
import { decoded, failed, type Decoded } from '../protocol/failures.ts';
import { isReadableAgain } from '../protocol/json.ts';
import type { ProtocolLimits } from '../protocol/limits.ts';
import { SERVER_KEYS, type Metadata } from '../protocol/metadata.ts';
import type { Identity } from './port.ts';

/** JSON.stringify writes U+0000 and lone surrogates, and only those of their kind, as these escapes. */
const UNSTORABLE = /(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f])/;

const SERVER_OWNED: ReadonlySet<string> = new Set<string>([...SERVER_KEYS, 'timestamp']);

const encoder = new TextEncoder();

export interface Stamp {
  /** With the tenant of the document. */
  identity: Identity & { tenantId: string };
  generation: number;
  wallTimeMs: number;
}

/**
 * The envelope as it goes into the log: the keys that the server owns are its own, unknown keys stay, the
 * payload stays byte for byte (design rule 2). Fails when the stamped metadata exceed the limit.
 */
export function stampEnvelope(
  { metadata, payload }: { metadata: Metadata; payload: Uint8Array },
  { identity, generation, wallTimeMs }: Stamp,
  limits: ProtocolLimits,
): Decoded<Uint8Array> {
  const stamped: Record<string, unknown> = {};
  for (const key of Object.keys(metadata)) {
    if (!SERVER_OWNED.has(key)) set(stamped, key, metadata[key]);
  }
  stamped.timestamp = wallTimeMs;
  stamped.generation = generation;
  stamped.tenantId = identity.tenantId;
  if (identity.userId !== undefined) stamped.userId = identity.userId;
  const text = JSON.stringify(stamped);
  // What no store of text can keep would end in quarantine, acked and yet in no document.
  if (UNSTORABLE.test(text))
    return failed('BAD_METADATA', 'The metadata hold U+0000 or half a surrogate pair.');
  if (!isReadableAgain(text)) return failed('BAD_METADATA', 'The metadata are too deep or too many.');
  const json = encoder.encode(text);
  if (json.byteLength > limits.maxMetadataBytes) return failed('METADATA_TOO_LARGE');
  return decoded(joinEnvelope(json, payload));
}

/** A key named `__proto__` is data like any other. */
function set(target: Record<string, unknown>, key: string, value: unknown): void {
  if (key === '__proto__')
    Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
  else target[key] = value;
}
