import { documentKey, type DocumentId, type DocumentKey } from '../protocol/ids.ts';
import type { Position } from '../protocol/position.ts';
import type {
  HistoryRow,
  IncomingBatch,
  LoadRequest,
  PersistenceAdapter,
  Snapshot,
  StoredState,
  StoreResult,
} from './port.ts';

/** What is known of one update beside its bytes: where it is in the log, and who wrote it. */
export interface UpdateMetadata {
  document: DocumentId;
  position: Position;
  senderId: string;
  clientVersion: number;
  userId?: string;
  atMs: number;
  /** The envelope's metadata, unknown keys included. */
  metadata: Record<string, unknown>;
}

export interface PersistUpdateOptions {
  /** The row is written, but nobody is told that a snapshot may be due. Default false. */
  historyOnly?: boolean;
}

/** Its own position, so that single updates never move the one that the log's batches stand on. */
const DIRECT_CONSUMER = 'direct';

export interface CoordinatorParts {
  store: PersistenceAdapter;
  /** Told after each commit that should count for the snapshot policy. */
  onStored?: (touched: StoreResult['touched']) => void;
}

/**
 * Durable operations on documents over any adapter: what is asked for one document is done in the order in
 * which it was asked, also when an earlier one fails. Errors are those of the adapter.
 */
export class PersistenceCoordinator {
  readonly #store: PersistenceAdapter;
  readonly #onStored: (touched: StoreResult['touched']) => void;
  readonly #tails = new Map<DocumentKey, Promise<unknown>>();

  constructor({ store, onStored = () => undefined }: CoordinatorParts) {
    this.#store = store;
    this.#onStored = onStored;
  }

  /** A run of the log, as the persister reads it; the order is that of the log. */
  async storeBatch(batch: IncomingBatch): Promise<StoreResult> {
    const result = await this.#store.storeBatch(batch);
    if (result.outcome === 'stored') this.#onStored(result.touched);
    return result;
  }

  /** Durable when resolved. Writing an update again, or one that the log's batches bring as well, changes nothing. */
  persistUpdate(
    update: UpdateMetadata,
    payload: Uint8Array,
    options: PersistUpdateOptions = {},
  ): Promise<void> {
    return this.#inOrder(update.document, async () => {
      const result = await this.#storeOne(update, payload);
      if (!options.historyOnly) this.#onStored(result.touched);
    });
  }

  /** False when it covers no more than what is there, more than is stored, or another generation. */
  persistSnapshot(snapshot: Snapshot): Promise<boolean> {
    return this.#inOrder(snapshot.document, () => this.#store.persistSnapshot(snapshot));
  }

  /** The newest snapshot and the rows after it, from one moment; an empty state for an unknown document. */
  recoverSnapshot(request: Omit<LoadRequest, 'sinceOffset'>): Promise<StoredState> {
    return this.#inOrder(request.document, () => this.#store.load(request));
  }

  /** Rows after `since` in log order, those asked for before included. */
  async *exportHistory(document: DocumentId, since?: Position): AsyncIterable<HistoryRow> {
    await this.#inOrder(document, () => Promise.resolve());
    yield* this.#store.exportHistory(document, since);
  }

  async #storeOne(update: UpdateMetadata, payload: Uint8Array): Promise<StoreResult> {
    const { position, ...fields } = update;
    const { generation, epoch, partition, offset } = position;
    for (;;) {
      const fetchOffset = await this.#store.nextOffset(DIRECT_CONSUMER, epoch, partition);
      const result = await this.#store.storeBatch({
        consumer: DIRECT_CONSUMER,
        epoch,
        partition,
        fetchOffset,
        nextOffset: Math.max(fetchOffset, offset + 1),
        records: [{ kind: 'update', offset, generation, payload, ...fields }],
      });
      if (result.outcome === 'stored') return result; // else somebody else was faster: once more
    }
  }

  #inOrder<T>(document: DocumentId, work: () => Promise<T>): Promise<T> {
    const key = documentKey(document);
    const result = (this.#tails.get(key) ?? Promise.resolve()).then(work);
    const tail = result.then(
      () => undefined,
      () => undefined, // told to whoever asked; the next one goes on
    );
    this.#tails.set(key, tail);
    void tail.then(() => {
      if (this.#tails.get(key) === tail) this.#tails.delete(key);
    });
    return result;
  }
}
