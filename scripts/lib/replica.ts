import * as Y from 'yjs';
import { CodePointText } from './code-points.ts';
import type { Trace, TraceTransaction } from './trace.ts';

/*
 * Replaying concurrent edits. The positions of a transaction mean the text of exactly its ancestors, but the
 * document that a provider keeps connected may already hold edits which its author had not seen. So each
 * agent has a *replica* beside its connected document: a Y.Doc which holds the ancestors of the agent's newest
 * transaction and nothing else. A foreign transaction enters it when it becomes an ancestor, not when it
 * arrives. An edit is made in the replica, at the trace's positions, and the update which comes of it is what
 * the connected document gets. Yjs merges it with whatever else is there; nothing is transformed by hand.
 */

/** Name of the Y.Text that holds the text of a trace. */
export const TEXT_NAME = 'text';

/** What a transaction made of a document: enough to carry it elsewhere and to see whether it has arrived. */
export interface Effect {
  update: Uint8Array;
  client: number;
  /** State of `client` once the transaction is in. */
  clock: number;
  /** The last range that it deleted. */
  deleted?: { client: number; clock: number };
}

/** The document of one agent, at the ancestors of that agent's newest transaction. */
export class Replica {
  readonly doc = new Y.Doc();
  readonly #text = this.doc.getText(TEXT_NAME);
  readonly #codePoints: CodePointText | undefined;
  #captured: Uint8Array | undefined;

  /**
   * Client ids ascend with the agents: where two agents typed at one place at once, Yjs puts the lower id first,
   * and the later positions of friendsforever mean that order. (With the ids swapped it ends in another text.)
   */
  constructor(trace: Trace, agent: number) {
    this.doc.clientID = agent + 1;
    this.#codePoints = trace.hasAstral ? new CodePointText() : undefined;
    this.doc.on('update', (update: Uint8Array) => (this.#captured = update));
  }

  /** Takes in an edit of another agent that has become an ancestor. */
  receive(effect: Effect): void {
    const index = this.#codePoints;
    const follow = (event: Y.YTextEvent) => index && applyDelta(index, event);
    if (index) this.#text.observe(follow);
    Y.applyUpdate(this.doc, effect.update);
    if (index) this.#text.unobserve(follow);
  }

  /** Makes the agent's own edit; undefined when it changes nothing. */
  edit(patches: TraceTransaction['patches']): Effect | undefined {
    this.#captured = undefined;
    let deleted: Effect['deleted'];
    this.doc.transact((transaction) => {
      for (const [position, removed, inserted] of patches) this.#patch(position, removed, inserted);
      for (const [client, ranges] of transaction.deleteSet.clients) {
        const range = ranges.at(-1)!;
        deleted = { client, clock: range.clock + range.len - 1 };
      }
    });
    if (!this.#captured) return undefined;
    const client = this.doc.clientID;
    const effect = { update: this.#captured, client, clock: Y.getState(this.doc.store, client) };
    return deleted ? { ...effect, deleted } : effect;
  }

  toString(): string {
    return this.#text.toString();
  }

  #patch(position: number, removed: number, inserted: string): void {
    const index = this.#codePoints;
    const from = index ? index.toUnits(position) : position;
    const length = index ? index.toUnits(position + removed) - from : removed;
    if (from + length > this.#text.length)
      throw new RangeError('A patch of the trace lies beyond the end of its text.');
    if (length > 0) this.#text.delete(from, length);
    if (inserted !== '') this.#text.insert(from, inserted);
    index?.splice(from, length, inserted);
  }
}

function applyDelta(index: CodePointText, event: Y.YTextEvent): void {
  let at = 0;
  for (const { retain, insert, delete: removed } of event.delta) {
    if (retain !== undefined) at += retain;
    else if (removed !== undefined) index.splice(at, removed, '');
    else if (typeof insert === 'string') {
      index.splice(at, 0, insert);
      at += insert.length;
    }
  }
}

/** Whether a document holds all that a transaction did. Constant time. */
export function holdsEffect(doc: Y.Doc, effect: Effect): boolean {
  if (Y.getState(doc.store, effect.client) < effect.clock) return false;
  if (!effect.deleted) return true;
  const { client, clock } = effect.deleted;
  return Y.getState(doc.store, client) > clock && Y.getItem(doc.store, Y.createID(client, clock)).deleted;
}
