/**
 * Every code of `protocol-nack`, of a `join` refusal and of a `connect_error`, once.
 * permanent: this attempt is settled, repeating the same bytes cannot succeed.
 * transient: not known durable; the client keeps the update, a later ack may still settle it.
 */
export const NACK_CODES = {
  BAD_FRAME: { permanent: true, message: 'The frame cannot be read.' },
  BAD_CHUNK: { permanent: true, message: 'The chunk does not fit the message that it continues.' },
  BAD_ENVELOPE: { permanent: true, message: 'The envelope is truncated or malformed.' },
  BAD_METADATA: { permanent: true, message: 'The metadata is not a JSON object of the expected shape.' },
  METADATA_TOO_LARGE: { permanent: true, message: 'The metadata exceeds its limit.' },
  UNSUPPORTED_VERSION: {
    permanent: true,
    message: 'The envelope has a newer format version than this reader.',
  },
  BAD_ID: { permanent: true, message: 'An id must have 1 to 128 bytes and no control characters.' },
  BAD_REQUEST: { permanent: true, message: 'The request does not have the expected shape.' },
  BAD_MESSAGE_TYPE: { permanent: true, message: 'A client may not send this message type.' },
  BAD_UPDATE: { permanent: true, message: 'The update cannot be decoded as a Yjs update.' },
  BAD_AWARENESS: { permanent: true, message: 'The awareness message cannot be decoded.' },
  FOREIGN_AWARENESS: { permanent: true, message: 'This awareness client id belongs to another connection.' },
  UPDATE_TOO_LARGE: { permanent: true, message: 'The update exceeds the limit of the server.' },
  FRAME_TOO_LARGE: { permanent: true, message: 'The frame exceeds the limit; send it as chunks.' },
  TOO_MANY_DOCUMENTS: { permanent: true, message: 'This connection has joined too many documents.' },
  PERMISSION_DENIED: { permanent: true, message: 'You have no access to this document.' },
  READ_ONLY: { permanent: true, message: 'You may read this document but not change it.' },
  UNAUTHENTICATED: { permanent: true, message: 'The token is missing, invalid or expired.' },
  GENERATION_CHANGED: { permanent: true, message: 'The document has been replaced; join it again.' },
  DOCUMENT_DELETED: { permanent: true, message: 'The document has been deleted.' },
  ACCESS_CHANGED: { permanent: false, message: 'Your rights have changed; join the document again.' },
  NOT_JOINED: { permanent: false, message: 'Join the document before sending to it.' },
  TOO_MANY_UNACKED: { permanent: false, message: 'Too many updates are waiting for their acknowledgement.' },
  APPEND_FAILED: {
    permanent: false,
    message: 'The update could not be appended yet; it is not known durable.',
  },
  APPEND_TIMEOUT: { permanent: false, message: 'The append took too long; the update is not known durable.' },
  OWED: { permanent: false, message: 'An earlier update of this document has to come first.' },
  RATE_LIMITED: { permanent: false, message: 'Too much at once; send it again after a while.' },
  OVERLOADED: { permanent: false, message: 'The server is at a limit; try again later.' },
  STORE_BEHIND: {
    permanent: false,
    message: 'The store has not caught up with the log yet; try again shortly.',
  },
  UNAVAILABLE: { permanent: false, message: 'A part of the server is not available; try again shortly.' },
  SERVER_STOPPING: { permanent: false, message: 'The server is stopping; connect again.' },
  JOIN_IN_PROGRESS: { permanent: false, message: 'A join of this document is already under way.' },
} as const satisfies Record<string, { permanent: boolean; message: string }>;

export type NackCode = keyof typeof NACK_CODES;
