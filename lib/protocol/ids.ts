/** What a client names: a document of a room, or a subdocument of it (`subdocId` = its guid). */
export interface DocumentAddress {
  roomId: string;
  docId: string;
  subdocId?: string;
}

/** A document as the server knows it: the tenant is stamped, never taken from a client. */
export interface DocumentId extends DocumentAddress {
  tenantId: string;
}

/** Canonical text of a document: its ids, URI-encoded, joined by `/`. The Kafka record key. */
export type DocumentKey = string & { readonly __brand: 'DocumentKey' };

const encoder = new TextEncoder();
const CONTROL_OR_LONE_SURROGATE = /[\u0000-\u001f\u007f-\u009f]|\p{Surrogate}/u;

/** True for 1 to `maxBytes` UTF-8 bytes without control characters and without lone surrogates. */
export function isValidId(value: unknown, maxBytes = 128): value is string {
  if (typeof value !== 'string' || value.length === 0 || value.length > maxBytes) return false;
  if (CONTROL_OR_LONE_SURROGATE.test(value)) return false;
  return value.length * 3 <= maxBytes || encoder.encode(value).byteLength <= maxBytes;
}

export function documentKey(id: DocumentId): DocumentKey {
  const parts = [id.tenantId, id.roomId, id.docId];
  if (id.subdocId !== undefined) parts.push(id.subdocId);
  return parts.map(encodeURIComponent).join('/') as DocumentKey;
}

/** The reverse of `documentKey`; `undefined` when the text is not one. */
export function parseDocumentKey(key: string): DocumentId | undefined {
  const parts = key.split('/');
  if (parts.length !== 3 && parts.length !== 4) return undefined;
  try {
    const [tenantId, roomId, docId, subdocId] = parts.map(decodeURIComponent) as [
      string,
      string,
      string,
      string?,
    ];
    const id: DocumentId =
      subdocId === undefined ? { tenantId, roomId, docId } : { tenantId, roomId, docId, subdocId };
    const isValid = [tenantId, roomId, docId, subdocId ?? 'x'].every((part) => isValidId(part));
    // `%41` would be a second spelling of `A`: only the canonical key names a document.
    return isValid && documentKey(id) === key ? id : undefined;
  } catch {
    return undefined; // malformed percent-encoding: not a key of ours
  }
}

/** Client-side text of an address; equal for equal addresses. */
export function addressKey(address: DocumentAddress): string {
  const parts = [address.roomId, address.docId];
  if (address.subdocId !== undefined) parts.push(address.subdocId);
  return parts.map(encodeURIComponent).join('/');
}
