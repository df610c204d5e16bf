import { exactBytes } from '../protocol/bytes.ts';
import type { Position } from '../protocol/position.ts';
import { addVersion, hasVersion, type VersionRanges } from '../protocol/ranges.ts';
import type { StoredUpdate } from '../store/port.ts';
import type { DeliveredRecord } from '../stream/port.ts';
import { ownerOf, readLogEntry } from './records.ts';

/** The offset of a position before the first record. */
export const BEFORE_THE_FIRST = -1;

/** One update of the log or of the store, as far as a join needs it. */
export interface FoundUpdate {
  offset: number;
  /** Sender and user (`ownerOf`). */
  owner: string;
  clientVersion: number;
  payload: Uint8Array;
}

/** A document at a position; never changed once made. */
export interface DocumentState {
  position: Position;
  /** The document does not exist: there is no state of it. */
  deleted: boolean;
  /** The full state. */
  update: Uint8Array;
  stateVector: Uint8Array;
  /** The store knows which versions were appended up to here; `tailVersions` knows those behind it, by owner. */
  storedThrough: number;
  tailVersions: ReadonlyMap<string, VersionRanges>;
  /** The store's answers about owners through `storedThrough`, which never change; filled as they are asked. */
  storedVersions: Map<string, VersionRanges>;
  /** Every usable update of the generation with recentAfter < offset <= position.offset. */
  recent: readonly FoundUpdate[];
  recentAfter: number;
}

/** What a computation starts from and adds records to. */
export interface Draft {
  generation: number;
  deleted: boolean;
  /** The state so far, or a snapshot. */
  base: Uint8Array | undefined;
  /** Not yet folded into `base`. */
  updates: FoundUpdate[];
  tailVersions: Map<string, VersionRanges>;
  storedVersions: Map<string, VersionRanges>;
  storedThrough: number;
  /** Already folded into `base`. */
  recent: readonly FoundUpdate[];
  recentAfter: number;
}

/**
 * Adds the tail of the log: stale and unreadable records are passed over; a barrier that raises the
 * generation drops all that came before it (design rule 14).
 */
export function addRecords(draft: Draft, records: readonly DeliveredRecord[]): void {
  for (const record of records) {
    const entry = readLogEntry(record);
    if (entry === undefined) continue;
    if (entry.kind === 'barrier') {
      if (entry.generation > draft.generation) begin(draft, entry, record.offset);
    } else if (entry.generation === draft.generation && !draft.deleted) {
      const { clientVersion } = entry;
      const owner = ownerOf(entry.senderId, entry.userId);
      // A repeat counts once, as for followers and the store; a writer that says 0 does not count its updates.
      if (clientVersion > 0) {
        const seen = versionsOf(draft.tailVersions, owner);
        if (hasVersion(seen, clientVersion)) continue;
        addVersion(seen, clientVersion);
      }
      // A copy: the record may be a view on a whole fetch, which a cached state must not keep alive.
      draft.updates.push({
        offset: record.offset,
        owner,
        clientVersion,
        payload: exactBytes(entry.payload),
      });
    }
  }
}

function versionsOf(found: Map<string, VersionRanges>, writer: string): VersionRanges {
  let versions = found.get(writer);
  if (!versions) found.set(writer, (versions = []));
  return versions;
}

function begin(draft: Draft, barrier: { generation: number; deletes: boolean }, barrierOffset: number): void {
  draft.generation = barrier.generation;
  draft.deleted = barrier.deletes;
  draft.base = undefined;
  draft.updates = [];
  draft.tailVersions = new Map();
  draft.storedVersions = new Map();
  draft.recent = [];
  draft.recentAfter = barrierOffset;
}

/** Adds rows of the store; their versions are asked of the store itself. */
export function addRows(draft: Draft, rows: readonly StoredUpdate[], epoch: number): void {
  for (const row of rows) {
    const { clientVersion } = row;
    const owner = ownerOf(row.senderId, row.userId);
    // What an earlier epoch of the topic held comes before every offset of this one.
    const offset = row.epoch === epoch ? row.offset : BEFORE_THE_FIRST;
    draft.updates.push({ offset, owner, clientVersion, payload: exactBytes(row.payload) });
  }
}

/** The newest updates within the bound, and the offset behind which nothing is missing. */
export function boundedRecent(
  recent: readonly FoundUpdate[],
  recentAfter: number,
  maxBytes: number,
): { recent: readonly FoundUpdate[]; recentAfter: number } {
  let bytes = 0;
  for (let index = recent.length - 1; index >= 0; index--) {
    bytes += recent[index]!.payload.byteLength + FOUND_OVERHEAD_BYTES;
    if (bytes > maxBytes) return { recent: recent.slice(index + 1), recentAfter: recent[index]!.offset };
  }
  return { recent, recentAfter };
}

const FOUND_OVERHEAD_BYTES = 150;
const SENDER_OVERHEAD_BYTES = 200;

/** About the memory that a state takes. */
export function bytesOf(state: DocumentState): number {
  let bytes = 1024 + state.update.byteLength + state.stateVector.byteLength;
  for (const { payload } of state.recent) bytes += payload.byteLength + FOUND_OVERHEAD_BYTES;
  for (const ranges of state.tailVersions.values()) bytes += SENDER_OVERHEAD_BYTES + 64 * ranges.length;
  return bytes;
}
