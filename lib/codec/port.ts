/**
 * CPU-bound Yjs work. Inputs are never changed or kept, unless given away; results own their memory. Updates are V1.
 * Errors: CODEC_OVERLOADED (try later), CODEC_TIMEOUT (the work was killed), CODEC_FAILED (this document
 * cannot be processed, by either engine), BAD_INPUT (what a caller sent cannot be read).
 */
export interface Folded {
  /** One update that holds everything, also structs and deletes that still wait for what they build on. */
  update: Uint8Array;
  /** Of what is integrated; pending structs do not count. */
  stateVector: Uint8Array;
  /** True when something waits for an update that has not come. */
  pending: boolean;
  /** Indices into `updates` of those that no Yjs client can apply; they are left out. */
  rejected: number[];
}

export type CheckVerdict =
  { ok: true; pending: boolean } | { ok: false; reason: 'undecodable' | 'inapplicable' };

export interface Description {
  bytes: number;
  stateVector: Uint8Array;
  clients: number;
  structs: number;
  deletedRanges: number;
  pendingStructs: boolean;
  pendingDeletes: boolean;
  /** Names of the root types. */
  roots: string[];
}

export interface RenderRequest {
  /** json: every root type; text: the root text `root`. */
  as: 'json' | 'text';
  /** Default: the first root type. */
  root?: string;
}

export interface FoldOptions {
  /** The caller does not use the snapshot any more: a large one moves to the thread and is empty here. Default: false. */
  isSnapshotGiven?: boolean;
}

export interface Codec {
  /** The state that `snapshot` (made by this codec) and the raw `updates`, in order, lead to. */
  fold(
    snapshot: Uint8Array | undefined,
    updates: readonly Uint8Array[],
    options?: FoldOptions,
  ): Promise<Folded>;
  /** One update with the effect of all, without the document they belong to. */
  merge(updates: readonly Uint8Array[]): Promise<Uint8Array>;
  /** What `stateVector` lacks of `update`; delete sets stay whole. BAD_INPUT when the vector cannot be read. */
  diff(update: Uint8Array, stateVector: Uint8Array): Promise<Uint8Array>;
  stateVectorOf(update: Uint8Array): Promise<Uint8Array>;
  /** Whether a Yjs client can decode and apply it. Never rejects because of the update. */
  check(update: Uint8Array): Promise<CheckVerdict>;
  describe(update: Uint8Array): Promise<Description>;
  /** JSON text or plain text, for tools. */
  render(update: Uint8Array, request: RenderRequest): Promise<string>;
  /** Rejects what waits and ends the threads. Idempotent. */
  close(): Promise<void>;
}
