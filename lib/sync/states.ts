import { LRUCache } from 'lru-cache';
import type { Limiter } from '../codec/limiter.ts';
import { documentKey, type DocumentId, type DocumentKey } from '../protocol/ids.ts';
import { bytesOf, type DocumentState } from './document-state.ts';

export interface StatesOptions {
  /** Bytes of states that are kept; 0 keeps none. */
  cacheBytes: number;
  limiter: Limiter;
  /** The state at a log position taken after the call. */
  compute: (document: DocumentId, known: DocumentState | undefined) => Promise<DocumentState>;
  isKept: (state: DocumentState) => boolean;
}

interface Flight {
  /** The document has changed under it: its result answers those who wait and is not kept. */
  isOutdated: boolean;
  /** Number of the moment at which its log position was about to be taken; Infinity while it waits for its turn. */
  began: number;
  result: Promise<DocumentState>;
}

/** States by document: cached, and computed once for all who wait. */
export class DocumentStates {
  readonly #options: StatesOptions;
  readonly #cache: LRUCache<DocumentKey, DocumentState> | undefined;
  readonly #flights = new Map<DocumentKey, Flight>();
  #moment = 0;

  constructor(options: StatesOptions) {
    this.#options = options;
    if (options.cacheBytes > 0) this.#cache = new LRUCache({ maxSize: options.cacheBytes });
  }

  get cachedBytes(): number {
    return this.#cache?.calculatedSize ?? 0;
  }

  get cachedDocuments(): number {
    return this.#cache?.size ?? 0;
  }

  /** Lets go of what is kept of a document: it was deleted or replaced. Without an argument, of everything. */
  forget(key?: DocumentKey): void {
    if (key === undefined) this.#cache?.clear();
    else this.#cache?.delete(key);
    for (const [at, flight] of this.#flights) if (key === undefined || at === key) flight.isOutdated = true;
  }

  /** A state that `serves` accepts, or else one whose log position was taken after this call. */
  async get(document: DocumentId, serves: (state: DocumentState) => boolean): Promise<DocumentState> {
    const key = documentKey(document);
    const arrived = ++this.#moment;
    for (;;) {
      const cached = this.#cache?.get(key);
      if (cached && serves(cached)) return cached;
      const flight = this.#flights.get(key) ?? this.#start(key, document);
      const state = await flight.result;
      if (flight.began > arrived || serves(state)) return state;
    }
  }

  #start(key: DocumentKey, document: DocumentId): Flight {
    const flight: Flight = { began: Infinity, isOutdated: false, result: undefined as never };
    flight.result = this.#options.limiter
      .run(async () => {
        flight.began = ++this.#moment;
        const state = await this.#options.compute(document, this.#cache?.get(key));
        if (!flight.isOutdated && this.#options.isKept(state))
          this.#cache?.set(key, state, { size: bytesOf(state) });
        return state;
      })
      .finally(() => this.#flights.delete(key));
    this.#flights.set(key, flight);
    return flight;
  }
}
