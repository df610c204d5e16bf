import { Authors, limitTrace } from './authors.ts';
import { holdsEffect } from './replica.ts';
import { ReplayClient } from './replay-client.ts';
import { ReplayError } from './replay-error.ts';
import { Signal } from './signal.ts';
import type { Trace } from './trace.ts';

export interface ReplayOptions {
  /** Agent n connects to `urls[n % urls.length]`; the fresh client at the end to the last one. */
  urls: readonly string[];
  trace: Trace;
  /** Must be empty. */
  room: string;
  /** Only so many transactions of the trace. */
  limit?: number;
  /** Updates of an agent that may wait for their ack. Default 200; at most 250, below the provider's bound. */
  maxUnacked?: number;
  /** Give up when nothing at all happens for this long, in ms. Default 120,000: a log may be away for a while. */
  stallTimeoutMs?: number;
  onProgress?: (progress: ReplayProgress) => void;
  /** After each ack: how many of an agent's first `transactionsOf` are durable. */
  onAcked?: (acked: { agent: number; transactions: number }) => void;
}

export interface ReplayProgress {
  written: number;
  acked: number;
  total: number;
}

export interface ReplayResult {
  isEqual: boolean;
  agents: number;
  transactions: number;
  edits: number;
  /** From the first edit until all was acked and had arrived everywhere. */
  durationMs: number;
  editsPerSecond: number;
  /** Time of the fresh client from connecting to its state. */
  openMs: number;
  characters: number;
  /** Where the first difference is, as seen by whom; absent when all are equal. */
  difference?: { seenBy: string; at: number; expected: string; found: string };
}

/**
 * Replays a trace through real provider clients, one for each agent, and compares what a fresh client sees with
 * the text that must come out. An agent writes a transaction once everything its author had seen has arrived in
 * the agent's connected document through the server; how it is written is told in replica.ts.
 * Rejects with ReplayError when the replay cannot go on; the clients are closed in any case.
 */
export async function replayTrace(options: ReplayOptions): Promise<ReplayResult> {
  const trace = limitTrace(options.trace, options.limit);
  const replay = new Replay({ ...options, trace });
  try {
    return await replay.run();
  } finally {
    replay.close();
  }
}

/** The text of a room as a fresh client gets it. */
export async function readRoom(options: {
  url: string;
  room: string;
  timeoutMs?: number;
}): Promise<{ text: string; openMs: number }> {
  const { url, room, timeoutMs = 60_000 } = options;
  const signal = new Signal();
  const started = performance.now();
  const client = new ReplayClient({ url, room, signal });
  const timer = setTimeout(
    () => signal.fail(new ReplayError(`${url} did not send the document in ${timeoutMs} ms.`)),
    timeoutMs,
  );
  try {
    await signal.until(() => client.isSynced);
    return { text: client.text(), openMs: performance.now() - started };
  } finally {
    clearTimeout(timer);
    client.close();
  }
}

class Replay {
  readonly #options: ReplayOptions;
  readonly #trace: Trace;
  readonly #authors: Authors;
  readonly #signal = new Signal();
  readonly #clients: ReplayClient[];
  /** By agent and update: how many of the agent's transactions were written with it. */
  readonly #writtenWith: number[][];
  readonly #stallTimeoutMs: number;
  #watchdog: NodeJS.Timeout | undefined;
  #written = 0;
  #seenProgress = '';

  constructor(options: ReplayOptions) {
    if (options.urls.length === 0) throw new ReplayError('No url was given.');
    this.#options = options;
    this.#trace = options.trace;
    this.#authors = new Authors(options.trace);
    this.#stallTimeoutMs = options.stallTimeoutMs ?? 120_000;
    this.#writtenWith = Array.from({ length: options.trace.agents }, () => []);
    this.#clients = this.#writtenWith.map((_, agent) => {
      const url = options.urls[agent % options.urls.length]!;
      return new ReplayClient({ url, room: options.room, signal: this.#signal });
    });
    this.#watch();
  }

  async run(): Promise<ReplayResult> {
    await this.#signal.until(() => this.#clients.every((client) => client.isSynced));
    if (this.#clients.some((client) => !client.isEmpty))
      throw new ReplayError(
        `The room ${JSON.stringify(this.#options.room)} is not empty; choose another one.`,
      );
    const started = performance.now();
    await Promise.all([...this.#clients.map((_, agent) => this.#write(agent)), this.#report()]);
    await this.#signal.until(() => this.#isSpread());
    const durationMs = performance.now() - started;
    return await this.#compare(durationMs);
  }

  close(): void {
    clearInterval(this.#watchdog);
    for (const client of this.#clients) client.close();
  }

  async #write(agent: number): Promise<void> {
    const client = this.#clients[agent]!;
    const maxUnacked = Math.min(this.#options.maxUnacked ?? 200, 250);
    for (const [count, index] of this.#authors.transactionsOf(agent).entries()) {
      if (client.unackedCount >= maxUnacked)
        await this.#signal.until(() => client.unackedCount <= maxUnacked / 2);
      if (!this.#hasArrived(agent, index)) await this.#signal.until(() => this.#hasArrived(agent, index));
      const effect = this.#authors.make(index);
      this.#written++;
      if (effect) {
        this.#writtenWith[agent]!.push(count + 1);
        client.write(effect.update);
      }
      // Others may wait for exactly this one to exist before they wait for its arrival.
      if (this.#trace.agents > 1) this.#signal.notify();
    }
    this.#signal.notify();
  }

  #hasArrived(agent: number, index: number): boolean {
    const { doc } = this.#clients[agent]!;
    return this.#authors.awaited(index)?.every((effect) => holdsEffect(doc, effect)) ?? false;
  }

  /** Calls the listeners while the agents write, until all is written and acked. */
  async #report(): Promise<void> {
    const total = this.#trace.transactions.length;
    const last = this.#clients.map(() => 0);
    for (;;) {
      this.#clients.forEach((client, agent) => {
        const transactions = this.#writtenWith[agent]![client.ackedCount - 1] ?? 0;
        if (transactions === last[agent]) return;
        last[agent] = transactions;
        this.#options.onAcked?.({ agent, transactions });
      });
      const acked = last.reduce((sum, transactions) => sum + transactions, 0);
      this.#options.onProgress?.({ written: this.#written, acked, total });
      if (this.#written === total && this.#clients.every((client) => client.isAllAcked)) return;
      await this.#signal.next();
    }
  }

  /** Whether every agent's document holds the last effect of every other one. */
  #isSpread(): boolean {
    return this.#clients.every(({ doc }) =>
      this.#authors.lastEffects().every((effect) => holdsEffect(doc, effect)),
    );
  }

  async #compare(durationMs: number): Promise<ReplayResult> {
    const { room, urls } = this.#options;
    const fresh = await readRoom({ url: urls.at(-1)!, room, timeoutMs: this.#stallTimeoutMs });
    const seen = this.#clients.map((client, agent) => ({ by: `agent ${agent}`, text: client.text() }));
    seen.push({ by: 'a fresh client', text: fresh.text });
    const expected = this.#trace.endContent;
    const wrong = seen.find(({ text }) => text !== expected);
    const { agents, transactions, edits } = this.#trace;
    return {
      isEqual: !wrong,
      agents,
      transactions: transactions.length,
      edits,
      durationMs,
      editsPerSecond: (edits / durationMs) * 1000,
      openMs: fresh.openMs,
      characters: expected.length,
      ...(wrong ? { difference: firstDifference(wrong.by, expected, wrong.text) } : {}),
    };
  }

  /** Ends a replay in which nothing moves any more, with an error that says where it stood. */
  #watch(): void {
    this.#watchdog = setInterval(() => {
      const states = this.#clients.map((client) => client.describe()).join('; ');
      const progress = `${this.#written} of ${this.#trace.transactions.length} written; ${states}`;
      if (progress === this.#seenProgress)
        this.#signal.fail(new ReplayError(`Nothing happened for ${this.#stallTimeoutMs} ms: ${progress}.`));
      this.#seenProgress = progress;
    }, this.#stallTimeoutMs);
  }
}

function firstDifference(seenBy: string, expected: string, found: string): ReplayResult['difference'] {
  let at = 0;
  while (expected[at] === found[at]) at++;
  return { seenBy, at, expected: expected.slice(at, at + 40), found: found.slice(at, at + 40) };
}
