import { failpoint } from '../failpoints.ts';
import { documentKey, type DocumentId } from '../protocol/ids.ts';
import type { Position } from '../protocol/position.ts';
import type { RecordPlace } from '../store/operations.ts';
import type { PersistenceAdapter, StoredState, StoredUpdate } from '../store/port.ts';
import type { Codec, Description, Folded, RenderRequest } from './port.ts';

/** Where a document's rows are. */
export interface StoredReference {
  document: DocumentId;
  epoch: number;
  partition: number;
  /** From all rows, without the snapshot. */
  fromRows?: boolean;
}

export interface FoldedDocument {
  /** The last offset that the store covers; only stored data are in the result. */
  position: Position;
  folded: Folded;
  /** Where the rows stand that no client can apply. */
  rejected: RecordPlace[];
}

export interface StoredVerdict {
  position: Position;
  ok: boolean;
  /** Something waits for an update that has not come. */
  pending: boolean;
  /** Offsets of rows that no client can apply. */
  rejectedOffsets: number[];
}

export interface StoredDocuments {
  /** Undefined when nothing of the document is stored (in its present generation), or it is deleted. */
  fold(reference: StoredReference): Promise<FoldedDocument | undefined>;
  diff(
    reference: StoredReference,
    stateVector: Uint8Array,
  ): Promise<{ position: Position; update: Uint8Array } | undefined>;
  describe(reference: StoredReference): Promise<({ position: Position } & Description) | undefined>;
  check(reference: StoredReference): Promise<StoredVerdict | undefined>;
  render(
    reference: StoredReference,
    request: RenderRequest,
  ): Promise<{ position: Position; content: string } | undefined>;
}

const placeOf = ({ epoch, partition, offset }: StoredUpdate) => ({ epoch, partition, offset });

/** Codec work on documents by reference: what is stored, nothing of the log's tail. */
export function createStoredDocuments(
  store: Pick<PersistenceAdapter, 'load'>,
  codec: Codec,
): StoredDocuments {
  const load = async ({ document, epoch, partition, fromRows = false }: StoredReference) => {
    const state = await store.load({ document, epoch, partition, fromRows });
    const hasContent = state.snapshot !== undefined || state.updates.length > 0;
    if (state.deleted || !hasContent) return undefined;
    const { generation, storedThrough } = state;
    return { state, position: { generation, epoch, partition, offset: storedThrough } };
  };
  const foldState = ({ snapshot, updates }: StoredState) =>
    codec.fold(
      snapshot?.data,
      updates.map((row) => row.payload),
      { isSnapshotGiven: true },
    );
  const foldAnew = async (reference: StoredReference): Promise<FoldedDocument | undefined> => {
    const loaded = await load(reference);
    failpoint('fold:before');
    if (!loaded) return undefined;
    const { position, state } = loaded;
    const folded = await foldState(state);
    failpoint('fold:after');
    return { position, folded, rejected: folded.rejected.map((index) => placeOf(state.updates[index]!)) };
  };

  const underWay = new Map<string, Promise<FoldedDocument | undefined>>();
  /** Who gave up waiting and asks again finds the same work going on. */
  const fold = (reference: StoredReference): Promise<FoldedDocument | undefined> => {
    const { document, epoch, partition, fromRows = false } = reference;
    const key = `${documentKey(document)} ${epoch} ${partition} ${fromRows}`;
    const known = underWay.get(key);
    if (known) return known;
    const folding = foldAnew(reference).finally(() => underWay.delete(key));
    underWay.set(key, folding);
    return folding;
  };

  return {
    fold,
    async diff(reference, stateVector) {
      const found = await fold(reference);
      return (
        found && { position: found.position, update: await codec.diff(found.folded.update, stateVector) }
      );
    },
    async describe(reference) {
      const found = await fold(reference);
      return found && { position: found.position, ...(await codec.describe(found.folded.update)) };
    },
    async check(reference) {
      const loaded = await load(reference);
      if (!loaded) return undefined;
      const { rejected, pending } = await foldState(loaded.state);
      const rejectedOffsets = rejected.map((index) => loaded.state.updates[index]!.offset);
      return { position: loaded.position, ok: rejected.length === 0, pending, rejectedOffsets };
    },
    async render(reference, request) {
      const found = await fold(reference);
      return found && { position: found.position, content: await codec.render(found.folded.update, request) };
    },
  };
}
