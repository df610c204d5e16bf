import { documentKey, parseDocumentKey, type DocumentId } from '../protocol/ids.ts';
import { isPosition, type Position } from '../protocol/position.ts';
import type { StreamRecord } from '../stream/port.ts';

/*
 * A record of the control topic: key = the document's key, header t = 4, value = UTF-8 JSON
 *
 *   { "op": "document-changed", "position": { generation, epoch, partition, offset }, "deleted": boolean }
 *
 * It names a barrier that is in the document's own partition and counts. It decides nothing (design rule 14):
 * whoever misses it learns the same from that partition.
 */

const OPERATION = 'document-changed';

export interface DocumentChange {
  document: DocumentId;
  /** Where the barrier is, and the generation that it begins. */
  position: Position;
  deleted: boolean;
}

export function encodeChange({ document, position, deleted }: DocumentChange): StreamRecord {
  const value = new TextEncoder().encode(JSON.stringify({ op: OPERATION, position, deleted }));
  return { key: documentKey(document), value, headers: { t: '4' } };
}

/** Undefined for every other record of the control topic, and for what cannot be read. Never throws. */
export function readChange({ key, value }: StreamRecord): DocumentChange | undefined {
  const document = parseDocumentKey(key);
  if (!document) return undefined;
  try {
    const json = JSON.parse(new TextDecoder().decode(value)) as Record<string, unknown> | null;
    if (json?.op !== OPERATION || !isPosition(json.position)) return undefined;
    return { document, position: json.position, deleted: json.deleted === true };
  } catch {
    return undefined; // no JSON: not one of ours
  }
}
