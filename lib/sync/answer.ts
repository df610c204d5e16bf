import { EMPTY_STATE_VECTOR, EMPTY_UPDATE } from '../codec/documents.ts';
import type { Codec } from '../codec/port.ts';
import { isAppError } from '../errors.ts';
import type { DocumentId } from '../protocol/ids.ts';
import { isComparable, type Position } from '../protocol/position.ts';
import { addVersion, mergeRanges, type VersionRanges } from '../protocol/ranges.ts';
import type { PersistenceAdapter } from '../store/port.ts';
import type { DocumentState, FoundUpdate } from './document-state.ts';
import { ownerOf } from './records.ts';
import type { SyncAnswer, SyncRequest } from './port.ts';

export interface AnswerParts {
  store: Pick<PersistenceAdapter, 'load' | 'appendedVersions'>;
  codec: Codec;
}

/** True when `state` may answer a gateway that holds the records after `heldAfter` (design rule 6). */
export function serves(state: DocumentState, request: SyncRequest): boolean {
  if (request.heldAfter > state.position.offset) return false;
  return !isAhead(request.heard, state.position) && !isAhead(request.position, state.position);
}

function isAhead(known: Position | undefined, position: Position): boolean {
  if (known === undefined) return false;
  if (known.epoch > position.epoch || known.generation > position.generation) return true;
  return isComparable(known, position) && known.offset > position.offset;
}

/** What came after the client's position if that is possible and smaller, else the full state. */
export async function answerFrom(
  parts: AnswerParts,
  state: DocumentState,
  request: SyncRequest,
): Promise<SyncAnswer> {
  if (state.deleted) return nothing(state);
  const missing = await updatesAfter(parts, state, request);
  if (missing) {
    const update = await mergedOrUndefined(parts.codec, missing);
    if (update) return delta(state, ownerOf(request.senderId, request.userId), { missing, update });
  }
  return full(parts, state, request);
}

/** Undefined when the position is too old, or more lies behind it than the full state has bytes. */
async function updatesAfter(
  { store }: AnswerParts,
  state: DocumentState,
  { document, position }: SyncRequest,
): Promise<readonly FoundUpdate[] | undefined> {
  if (!position || !isComparable(position, state.position)) return undefined;
  const { offset } = position;
  if (offset > state.position.offset) return undefined;
  if (offset >= state.recentAfter) return smallerThanState(after(state.recent, offset), state);
  try {
    const { epoch, partition } = position;
    const loaded = await store.load({ document, epoch, partition, sinceOffset: offset });
    const { generation, storedThrough } = loaded;
    // Between the rows and what the state remembers there must be no gap.
    if (generation !== position.generation || storedThrough < state.recentAfter) return undefined;
    const rows = loaded.updates
      .filter((row) => row.offset <= state.position.offset)
      .map((row) => ({ ...row, owner: ownerOf(row.senderId, row.userId) }));
    return smallerThanState([...rows, ...after(state.recent, Math.max(storedThrough, offset))], state);
  } catch (error) {
    if (isAppError(error, 'STORE_UNAVAILABLE')) return undefined; // the full state is at hand
    throw error;
  }
}

function after(updates: readonly FoundUpdate[], offset: number): FoundUpdate[] {
  return updates.filter((update) => update.offset > offset);
}

/** Merging costs about 50 µs an update; beyond this the full state is quicker for everybody. */
const MAX_DELTA_UPDATES = 2_000;

function smallerThanState(updates: readonly FoundUpdate[], state: DocumentState) {
  if (updates.length > MAX_DELTA_UPDATES) return undefined;
  let bytes = 0;
  for (const { payload } of updates) bytes += payload.byteLength;
  return bytes <= state.update.byteLength ? updates : undefined;
}

async function mergedOrUndefined(codec: Codec, missing: readonly FoundUpdate[]) {
  if (missing.length === 0) return EMPTY_UPDATE;
  try {
    return await codec.merge(missing.map(({ payload }) => payload));
  } catch (error) {
    if (isAppError(error, 'CODEC_FAILED')) return undefined; // an undecodable one among them: the full state has none
    throw error;
  }
}

function delta(
  state: DocumentState,
  owner: string,
  { missing, update }: { missing: readonly FoundUpdate[]; update: Uint8Array },
): SyncAnswer {
  const appended: VersionRanges = [];
  for (const found of missing)
    if (found.owner === owner && found.clientVersion > 0) addVersion(appended, found.clientVersion);
  return { position: state.position, kind: 'delta', stateVector: new Uint8Array(), appended, update };
}

/** Where it is known that the document does not exist; versions of what was deleted are nobody's. */
function nothing({ position, update, stateVector }: DocumentState): SyncAnswer {
  return { position, deleted: true, kind: 'full', stateVector, appended: [], update };
}

async function full(parts: AnswerParts, state: DocumentState, request: SyncRequest): Promise<SyncAnswer> {
  const { stateVector, position: known } = request;
  // A state vector of another generation speaks of other content, even where client ids are the same.
  const cuts =
    stateVector !== undefined &&
    !isEmptyVector(stateVector) &&
    (!known || known.generation === state.position.generation);
  const [update, appended] = await Promise.all([
    cuts ? parts.codec.diff(state.update, stateVector) : state.update,
    appendedBy(parts.store, state, request),
  ]);
  return { position: state.position, kind: 'full', stateVector: state.stateVector, appended, update };
}

/** Of an empty document, which lacks all of it: nothing to compute, and all of them share the same bytes. */
function isEmptyVector(vector: Uint8Array): boolean {
  return vector.byteLength === EMPTY_STATE_VECTOR.byteLength && vector[0] === EMPTY_STATE_VECTOR[0];
}

/** Senders that a state remembers; beyond it begins to ask anew. */
const MAX_REMEMBERED_SENDERS = 1_000;

async function appendedBy(
  store: AnswerParts['store'],
  state: DocumentState,
  { document, senderId, userId, position, heard }: SyncRequest,
): Promise<VersionRanges> {
  const owner = ownerOf(senderId, userId);
  const behind = state.tailVersions.get(owner) ?? [];
  const before = state.storedVersions.get(owner);
  if (before) return mergeRanges(before, behind);
  try {
    const stored = await storedVersions(store, {
      document,
      writer: { senderId, ...(userId === undefined ? {} : { userId }) },
      state,
    });
    if (state.storedVersions.size >= MAX_REMEMBERED_SENDERS) state.storedVersions.clear();
    state.storedVersions.set(owner, stored);
    return mergeRanges(stored, behind);
  } catch (error) {
    // A client that has never heard of a position has never sent to this document.
    if (isAppError(error, 'STORE_UNAVAILABLE') && !position && !heard) return mergeRanges([], behind);
    throw error;
  }
}

function storedVersions(
  store: AnswerParts['store'],
  {
    document,
    writer,
    state,
  }: { document: DocumentId; writer: { senderId: string; userId?: string }; state: DocumentState },
): Promise<VersionRanges> {
  const { generation, epoch } = state.position;
  if (state.storedThrough < 0) return Promise.resolve([]);
  return store.appendedVersions(document, generation, {
    ...writer,
    epoch,
    throughOffset: state.storedThrough,
  });
}
