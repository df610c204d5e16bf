/**
 * Big results between processes: the caller gets a reference and streams the bytes from the other
 * process's internal HTTP listener; in one process the same interface hands over memory.
 */
export interface BlobReference {
  /** Where the owner's listener is; `memory:` inside one process. */
  url: string;
  /** Unguessable, usable once, expires. */
  ticket: string;
  bytes: number;
  /** The same for the same bytes: who holds them already needs no second copy. */
  content?: string;
}

export interface BlobTransfer {
  /** Keeps the bytes until they are fetched once or the ticket expires; bounded, AppError STREAM_BUFFER_FULL above. */
  offer(bytes: Uint8Array): BlobReference;
  /** SYNC_TICKET_UNKNOWN when it is gone, SERVICE_UNAVAILABLE when the owner does not answer in time. */
  fetch(reference: BlobReference, timeoutMs: number): Promise<Uint8Array>;
  close(): Promise<void>;
}
