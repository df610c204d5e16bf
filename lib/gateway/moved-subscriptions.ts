import type { HostedDocument, Subscription } from './hosted-document.ts';

/** Connections that were asked to go on at another gateway, by what they had joined, each until its time is over. */
export class MovedSubscriptions {
  readonly #keepMs: number;
  /** In the order in which they were moved. */
  readonly #untilMs = new Map<Subscription, number>();

  constructor(keepMs: number) {
    this.#keepMs = keepMs;
  }

  add(subscription: Subscription, nowMs: number): void {
    this.#untilMs.set(subscription, nowMs + this.#keepMs);
  }

  /** Those whose time is over, which are forgotten. */
  takeLate(nowMs: number): Subscription[] {
    return this.#take((_, untilMs) => untilMs <= nowMs);
  }

  /** Those of a document, which are forgotten. */
  takeOf(document: HostedDocument): Subscription[] {
    return this.#take((subscription) => subscription.document === document);
  }

  #take(is: (subscription: Subscription, untilMs: number) => boolean): Subscription[] {
    const taken: Subscription[] = [];
    for (const [subscription, untilMs] of this.#untilMs)
      if (is(subscription, untilMs)) taken.push(subscription);
    for (const subscription of taken) this.#untilMs.delete(subscription);
    return taken;
  }
}
