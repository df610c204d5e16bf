import { isComparable, type Position } from '../protocol/position.ts';
import { addVersion, type VersionRanges } from '../protocol/ranges.ts';
import type { SyncAnswer, SyncRequest } from '../sync/port.ts';
import type { Subscription } from './hosted-document.ts';

/** An update of Yjs (V1) without structs and deletes. */
const EMPTY_UPDATE = Uint8Array.of(0, 0);

/**
 * A returning client whose position the ring reaches back to needs no state: an empty delta at its own position,
 * and then the ring's entries behind it. Undefined when only the sync source can tell.
 */
export function answerFromRing(
  { document, owner }: Subscription,
  { position, heard }: Pick<SyncRequest, 'position' | 'heard'>,
): SyncAnswer | undefined {
  const { log, target } = document;
  if (!position || log.epoch === undefined) return undefined;
  const through: Position = {
    generation: log.generation,
    epoch: log.epoch,
    partition: target.partition,
    offset: document.followedThrough(),
  };
  const isKnown = (at: Position) => isComparable(at, through) && at.offset <= through.offset;
  if (!isKnown(position) || (heard && !isKnown(heard))) return undefined;
  // A position before the barrier of its own generation is nobody's.
  if (log.barrier && position.offset < log.barrier.offset) return undefined;
  const held = log.after(position.offset);
  if (!held) return undefined;
  const appended: VersionRanges = [];
  for (const entry of held) if (entry.owner === owner) addVersion(appended, entry.version);
  return { position, kind: 'delta', stateVector: new Uint8Array(), appended, update: EMPTY_UPDATE };
}
