import { isComparable, type Position } from '../protocol/index.ts';
import type { DocumentRef } from './events.ts';
import type { ProcessingContext } from './processing-context.ts';

/** How far a document is in step with the server: live once a state has been applied, synced once the join is complete. */
export class LiveStatus {
  readonly #context: ProcessingContext;
  readonly #ref: DocumentRef;
  #isLive = false;
  #isSynced = false;
  #wasLive = false;
  /** Where the document has to stand to have all that was in the log at its join. */
  #target: Position | undefined;

  constructor(context: ProcessingContext, ref: DocumentRef) {
    this.#context = context;
    this.#ref = ref;
  }

  get isLive(): boolean {
    return this.#isLive;
  }

  get isSynced(): boolean {
    return this.#isSynced;
  }

  /** Since the document was attached. */
  get wasLive(): boolean {
    return this.#wasLive;
  }

  /** Another document, of which the server has seen nothing yet. */
  restart(): void {
    this.#wasLive = false;
  }

  /** A state has been applied. With `through` it is complete only with the entry of that offset. */
  begin(position: Position | undefined, through: number | undefined): void {
    this.#target = position && through !== undefined ? { ...position, offset: through } : position;
    this.#isLive = true;
    this.#wasLive = true;
  }

  /** Nothing is sent until the next join. */
  end(): void {
    this.#isLive = false;
  }

  /** Whether a live document at this position has what it joined for. A later generation or epoch has left the target behind. */
  isComplete(position: Position | undefined): boolean {
    if (!this.#isLive) return false;
    const target = this.#target;
    return !target || !position || !isComparable(position, target) || position.offset >= target.offset;
  }

  setSynced(state: boolean): void {
    if (state === this.#isSynced) return;
    this.#isSynced = state;
    this.#context.emit('synced', { ...this.#ref, state });
  }
}
