import type { DocumentAddress } from './ids.ts';
import type { Position } from './position.ts';
import type { VersionRanges } from './ranges.ts';

/** First byte of every `protocol-message` frame. 2 is reserved for a compact form. */
export const FrameKind = { Entries: 1, Chunk: 3, Acks: 4, Ephemeral: 5, State: 6 } as const;
export type FrameKind = (typeof FrameKind)[keyof typeof FrameKind];

/*
 * To the server
 *   Entries    1 | { VarUint length, envelope }*
 *   Chunk      3 | VarUint id, VarUint index, VarUint count, bytes      (the bytes of all chunks together are a frame)
 * To the client
 *   Entries    1 | { Position, VarUint previous+1, VarUint length, envelope }*     one document
 *   Chunk      3 | as above
 *   Acks       4 | Address, { VarUint version, Position, VarUint previous+1 }*     one document
 *   Ephemeral  5 | { VarUint length, envelope }*                                   awareness, auth: no position
 *   State      6 | VarString head (JSON, StateHead), payload                       the answer to a join
 *
 *   Position = VarUint generation, VarUint epoch, VarUint partition, VarUint offset
 *   Address  = VarString roomId, VarString docId, Uint8 0 | Uint8 1, VarString subdocId
 */

export interface Entry {
  position: Position;
  /** Offset of the document's entry delivered before this one in the gateway's follow; -1 = none. */
  previous: number;
  envelope: Uint8Array;
}

export interface Ack {
  version: number;
  position: Position;
  previous: number;
}

/** Says what a state frame is; its payload is a SyncStep2 with the merged updates. */
export interface StateHead extends DocumentAddress {
  /** The number that the `join` answer carried, or 0 for a resume by the gateway itself. */
  join: number;
  position: Position;
  /** full: replaces what the client believed of the server; delta: what came after the client's position. */
  kind: 'full' | 'delta';
  /** Versions of this client's sender found in the log up to `position`. */
  appended: VersionRanges;
  /**
   * Offset of the last entry that the gateway sends right behind this state: the client is up to date with the
   * log of the moment of its join once it stands there. Absent when nothing follows.
   */
  through?: number;
}

export interface Chunk {
  id: number;
  index: number;
  count: number;
  bytes: Uint8Array;
}

export type ServerFrame =
  | { kind: typeof FrameKind.Entries; entries: Entry[] }
  | { kind: typeof FrameKind.Chunk; chunk: Chunk }
  | { kind: typeof FrameKind.Acks; address: DocumentAddress; acks: Ack[] }
  | { kind: typeof FrameKind.Ephemeral; envelopes: Uint8Array[] }
  | { kind: typeof FrameKind.State; head: StateHead; payload: Uint8Array };

export type ClientFrame =
  | { kind: typeof FrameKind.Entries; envelopes: Uint8Array[] }
  | { kind: typeof FrameKind.Chunk; chunk: Chunk };

/** Most acks in one frame; more of them travel as several. */
export const MAX_ACKS_PER_FRAME = 300;

/** Most ranges in the head of a state. Of more the highest stay: a version not named is sent again, harmlessly. */
export const MAX_APPENDED_RANGES = 500;
