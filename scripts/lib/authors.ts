import * as Y from 'yjs';
import { CodePointText } from './code-points.ts';
import { Replica, TEXT_NAME, type Effect } from './replica.ts';
import type { Trace } from './trace.ts';

/** All agents of a trace, each with its replica; makes the transactions as their authors made them. */
export class Authors {
  readonly #trace: Trace;
  readonly #replicas: Replica[];
  /** By transaction; where one changed nothing, the agent's newest effect before it. */
  readonly #effects: (Effect | undefined)[] = [];
  /** By agent: its newest effect. */
  readonly #last: (Effect | undefined)[] = [];
  /** By agent: what it has taken in from each other agent, as transaction indexes. */
  readonly #received: number[][];
  readonly #ofAgent: number[][];

  constructor(trace: Trace) {
    this.#trace = trace;
    this.#replicas = Array.from({ length: trace.agents }, (_, agent) => new Replica(trace, agent));
    this.#received = this.#replicas.map(() => new Array<number>(trace.agents).fill(-1));
    this.#ofAgent = this.#replicas.map(() => []);
    trace.transactions.forEach(({ agent }, index) => this.#ofAgent[agent]!.push(index));
  }

  /** Indexes of an agent's transactions, in order. */
  transactionsOf(agent: number): readonly number[] {
    return this.#ofAgent[agent]!;
  }

  /** The newest effect of each agent. */
  lastEffects(): Effect[] {
    return this.#last.flatMap((effect) => effect ?? []);
  }

  /** What must have reached the author before it can make this transaction: the newest effect of each other agent. */
  awaited(index: number): Effect[] | undefined {
    const { agent, seen } = this.#trace.transactions[index]!;
    const effects: Effect[] = [];
    for (const [other, newest] of seen.entries()) {
      if (other === agent || newest <= this.#received[agent]![other]!) continue;
      if (!(newest in this.#effects)) return undefined; // its author has not made it yet
      const effect = this.#effects[newest];
      if (effect) effects.push(effect);
    }
    return effects;
  }

  /** Makes a transaction; undefined when it changes nothing. Its ancestors must have been made. */
  make(index: number): Effect | undefined {
    const { agent, seen, patches } = this.#trace.transactions[index]!;
    const replica = this.#replicas[agent]!;
    for (const foreign of this.#missing(agent, seen)) replica.receive(foreign);
    const effect = replica.edit(patches);
    this.#last[agent] = effect ?? this.#last[agent];
    if (this.#trace.agents > 1) this.#effects[index] = this.#last[agent];
    return effect;
  }

  /** Foreign ancestors that the agent's replica lacks, ancestors first. */
  #missing(agent: number, seen: readonly number[]): Effect[] {
    const received = this.#received[agent]!;
    const missing: number[] = [];
    seen.forEach((newest, other) => {
      if (other === agent || newest <= received[other]!) return;
      const list = this.#ofAgent[other]!;
      for (let i = firstAbove(list, received[other]!); list[i]! <= newest; i++) missing.push(list[i]!);
      received[other] = newest;
    });
    return missing.sort((a, b) => a - b).flatMap((index) => this.#effects[index] ?? []);
  }
}

/** Position of the first number above `value` in an ascending list. */
function firstAbove(list: readonly number[], value: number): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (list[middle]! <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** A trace that ends after `limit` transactions; the same trace when it has no more. */
export function limitTrace(trace: Trace, limit = Infinity): Trace {
  if (limit >= trace.transactions.length) return trace;
  const transactions = trace.transactions.slice(0, limit);
  const edits = transactions.reduce((sum, { patches }) => sum + patches.length, 0);
  const prefix = { ...trace, transactions, edits };
  return { ...prefix, endContent: trace.agents > 1 ? mergedText(prefix) : plainText(prefix) };
}

/** One author: the text needs no Yjs, so it is an independent expectation. */
function plainText(trace: Trace): string {
  const text = new CodePointText();
  for (const { patches } of trace.transactions) {
    for (const [position, removed, inserted] of patches) {
      const from = text.toUnits(position);
      text.splice(from, text.toUnits(position + removed) - from, inserted);
    }
  }
  return text.toString();
}

function mergedText(trace: Trace): string {
  const authors = new Authors(trace);
  const doc = new Y.Doc();
  for (let index = 0; index < trace.transactions.length; index++) {
    const effect = authors.make(index);
    if (effect) Y.applyUpdate(doc, effect.update);
  }
  return doc.getText(TEXT_NAME).toString();
}
