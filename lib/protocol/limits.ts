/** Bounds of the wire, in bytes unless the name says otherwise. Each can be configured on the server. */
export interface ProtocolLimits {
  /** JSON of one envelope's metadata. */
  maxMetadataBytes: number;
  /** UTF-8 length of a room, document, subdocument, sender, user or tenant id. */
  maxIdBytes: number;
  /** One Yjs update, without envelope. */
  maxUpdateBytes: number;
  /** One Socket.IO binary frame; what is larger travels as chunks. */
  maxFrameBytes: number;
  /** Documents that one socket may have joined at a time. */
  maxDocumentsPerSocket: number;
}

export const DEFAULT_LIMITS: ProtocolLimits = Object.freeze({
  maxMetadataBytes: 4 * 1024,
  maxIdBytes: 128,
  maxUpdateBytes: 8 * 1024 * 1024,
  maxFrameBytes: 256 * 1024,
  maxDocumentsPerSocket: 200,
});

/**
 * A longer state vector in a join (some ten thousand clients) is left out by the client; the server takes this much
 * whatever its frame limit is: before the first answer nobody knows that.
 */
export const MAX_STATE_VECTOR_BYTES = 128 * 1024;

/** The highest `v` of metadata that this code reads; a higher one is refused with UNSUPPORTED_VERSION. */
export const FORMAT_VERSION = 1;
