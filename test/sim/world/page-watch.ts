import { isComparable, type Position } from '../../../lib/protocol/position.ts';
import type { DocumentKey } from '../../../lib/protocol/ids.ts';

export type PageViolationKind = 'page-went-back' | 'in-step-without-what-it-heard-of';

export interface PageWatchParts {
  positionOf: (document: DocumentKey) => Position | undefined;
  /** Whether something of the document is in the log there; offsets have holes, and others lie between. */
  hasBetween: (document: DocumentKey, after: Position, through: Position) => boolean;
  /** Whether a generation begins exactly there: whatever was heard of, a barrier is believed at once. */
  isBarrier: (document: DocumentKey, position: Position) => boolean;
  report: (kind: PageViolationKind, document: DocumentKey, detail: string) => void;
}

/**
 * What a page may say of itself in a world whose log is never lost: from its join on it neither goes back behind nor
 * calls itself in step before anything that the server had named to it by then, or that it had reached.
 */
export class PageWatch {
  readonly #parts: PageWatchParts;
  readonly #known = new Map<DocumentKey, Position>();
  readonly #stood = new Map<DocumentKey, Position>();
  readonly #floor = new Map<DocumentKey, Position>();

  constructor(parts: PageWatchParts) {
    this.#parts = parts;
  }

  /** The server has named this position to the page, or it stands there. */
  hear(document: DocumentKey, position: Position): void {
    const known = this.#known.get(document);
    if (!known || isBehind(known, position)) this.#known.set(document, position);
  }

  /** The page asks for a state. */
  join(document: DocumentKey): void {
    const known = this.#known.get(document);
    if (known) this.#floor.set(document, known);
  }

  /** The page calls itself in step now. */
  inStep(document: DocumentKey): void {
    const position = this.#parts.positionOf(document);
    if (!position || this.#parts.isBarrier(document, position)) return;
    this.#check('in-step-without-what-it-heard-of', document);
  }

  /** Something has come in. */
  look(document: DocumentKey): void {
    const position = this.#parts.positionOf(document);
    if (!position) return;
    const stood = this.#stood.get(document);
    // On its way to another generation it stays where it was for a while.
    if (stood && isBehind(position, stood)) this.#check('page-went-back', document);
    this.#stood.set(document, position);
    this.hear(document, position);
  }

  #check(kind: PageViolationKind, document: DocumentKey): void {
    const floor = this.#floor.get(document);
    const position = this.#parts.positionOf(document);
    if (!floor || !position || !isBehind(position, floor)) return;
    if (position.generation < floor.generation || this.#parts.hasBetween(document, position, floor))
      this.#parts.report(kind, document, `${inWords(position)} after ${inWords(floor)}`);
  }
}

function isBehind(position: Position, other: Position): boolean {
  if (position.generation !== other.generation) return position.generation < other.generation;
  return isComparable(position, other) && position.offset < other.offset;
}

function inWords({ generation, offset }: Position): string {
  return `generation ${generation}, offset ${offset}`;
}
