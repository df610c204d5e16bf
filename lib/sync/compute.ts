import type { Codec } from '../codec/port.ts';
import { isAppError } from '../errors.ts';
import { documentKey, type DocumentId } from '../protocol/ids.ts';
import type { VersionRanges } from '../protocol/ranges.ts';
import type { PersistenceAdapter } from '../store/port.ts';
import type { Stream, TopicPartition } from '../stream/port.ts';
import {
  addRecords,
  addRows,
  BEFORE_THE_FIRST,
  boundedRecent,
  type DocumentState,
  type Draft,
} from './document-state.ts';
import type { TailReader } from './tail.ts';

/** Up to this many offsets behind the end, a cached state is brought up to date by the log alone. */
const LOG_ONLY_OFFSETS = 2_000;

export interface ComputeParts {
  stream: Pick<Stream, 'endOffset'>;
  store: Pick<PersistenceAdapter, 'load'>;
  tail: TailReader;
  codec: Codec;
  maxRecentBytes: number;
}

export interface ComputeRequest {
  document: DocumentId;
  at: TopicPartition;
  epoch: number;
  /** A state computed earlier; the work then is what came after it. */
  known: DocumentState | undefined;
}

/**
 * The state of a document at max(E, S), E taken after the call (design rule 6): log position first, store
 * second; then the log from S + 1 to E.
 */
export async function computeState(parts: ComputeParts, request: ComputeRequest): Promise<DocumentState> {
  const lastOffset = (await parts.stream.endOffset(request.at)) - 1; // E
  const known = request.known?.position.epoch === request.epoch ? request.known : undefined;
  if (known && known.position.offset >= lastOffset) return known;
  if (known && lastOffset - known.position.offset <= LOG_ONLY_OFFSETS) {
    const advanced = await byLogAlone(parts, { ...request, known, lastOffset });
    if (advanced) return advanced;
  }
  try {
    return await byStoreAndLog(parts, { ...request, known, lastOffset });
  } catch (error) {
    // While the store is away, what is known and all that the log may be asked for is better than nothing.
    const advanced =
      known && isAppError(error, 'STORE_UNAVAILABLE')
        ? await byLogAlone(parts, { ...request, known, lastOffset })
        : undefined;
    if (advanced) return advanced;
    // Between the load and the read the store may have moved on and the log been trimmed behind it.
    if (!isAppError(error, 'STREAM_OFFSET_OUT_OF_RANGE')) throw error;
    return byStoreAndLog(parts, { ...request, known: undefined, lastOffset });
  }
}

interface Step extends ComputeRequest {
  lastOffset: number;
}

/** Undefined when the log no longer has that range or has too much of it: the store knows more. */
async function byLogAlone(
  parts: ComputeParts,
  step: Step & { known: DocumentState },
): Promise<DocumentState | undefined> {
  const draft = draftOf(step.known);
  try {
    await addTail(parts, step, { draft, after: step.known.position.offset });
  } catch (error) {
    if (isAppError(error, 'STREAM_OFFSET_OUT_OF_RANGE') || isAppError(error, 'STORE_BEHIND'))
      return undefined;
    throw error;
  }
  return finish(parts, step, { draft, offset: step.lastOffset });
}

async function byStoreAndLog(parts: ComputeParts, step: Step): Promise<DocumentState> {
  const { draft, after } = await loadDraft(parts, step);
  await addTail(parts, step, { draft, after });
  return finish(parts, step, { draft, offset: Math.max(step.lastOffset, after) });
}

/** From the cached state and the rows behind it if the generation is the same, else from the snapshot. */
async function loadDraft(
  { store }: ComputeParts,
  { document, epoch, at: { partition }, known }: Step,
): Promise<{ draft: Draft; after: number }> {
  if (known) {
    const sinceOffset = known.position.offset;
    const loaded = await store.load({ document, epoch, partition, sinceOffset });
    const { storedThrough } = loaded;
    // The store is behind what is known already: the log has the rest.
    if (storedThrough < sinceOffset) return { draft: draftOf(known), after: sinceOffset };
    if (loaded.generation === known.position.generation) {
      const draft: Draft = {
        ...draftOf(known),
        deleted: loaded.deleted,
        storedThrough,
        tailVersions: new Map(),
        storedVersions: new Map(),
      };
      addRows(draft, loaded.updates, epoch);
      return { draft, after: storedThrough };
    }
  }
  const loaded = await store.load({ document, epoch, partition });
  const { snapshot, storedThrough, generation, deleted } = loaded;
  const draft: Draft = {
    generation,
    deleted,
    base: snapshot?.data,
    updates: [],
    tailVersions: new Map(),
    storedVersions: new Map(),
    storedThrough,
    recent: [],
    // Offsets of an earlier epoch say nothing in this one: all of this epoch lies behind such a snapshot.
    recentAfter: snapshot?.epoch === epoch ? snapshot.throughOffset : BEFORE_THE_FIRST,
  };
  addRows(draft, loaded.updates, epoch);
  return { draft, after: storedThrough };
}

function draftOf(state: DocumentState): Draft {
  return {
    generation: state.position.generation,
    deleted: state.deleted,
    base: state.update,
    updates: [],
    tailVersions: copyOf(state.tailVersions),
    storedVersions: state.storedVersions,
    storedThrough: state.storedThrough,
    recent: state.recent,
    recentAfter: state.recentAfter,
  };
}

function copyOf(versions: ReadonlyMap<string, VersionRanges>): Map<string, VersionRanges> {
  return new Map([...versions].map(([writer, ranges]) => [writer, ranges.map(([from, to]) => [from, to])]));
}

async function addTail(
  { tail }: ComputeParts,
  { at, epoch, document, lastOffset }: Step,
  { draft, after }: { draft: Draft; after: number },
): Promise<void> {
  const range = { fromOffset: after + 1, toOffset: lastOffset + 1 };
  addRecords(draft, await tail.read({ ...at, epoch, key: documentKey(document), ...range }));
}

async function finish(
  { codec, maxRecentBytes }: ComputeParts,
  { epoch, at: { partition }, known }: Step,
  { draft, offset }: { draft: Draft; offset: number },
): Promise<DocumentState> {
  const { generation, deleted, storedThrough, tailVersions, storedVersions } = draft;
  const position = { generation, epoch, partition, offset };
  if (known && draft.base === known.update && draft.updates.length === 0)
    return { ...known, position, deleted, storedThrough, tailVersions, storedVersions };
  const folded = await codec.fold(
    draft.base,
    draft.updates.map(({ payload }) => payload),
    // What has just been loaded is needed for nothing else; what is cached serves others meanwhile.
    { isSnapshotGiven: draft.base !== known?.update },
  );
  const rejected = new Set(folded.rejected);
  const added = draft.updates.filter(
    ({ offset: at }, index) => at > BEFORE_THE_FIRST && !rejected.has(index),
  );
  return {
    position,
    deleted,
    update: folded.update,
    stateVector: folded.stateVector,
    storedThrough,
    tailVersions,
    storedVersions,
    ...boundedRecent([...draft.recent, ...added], draft.recentAfter, maxRecentBytes),
  };
}
