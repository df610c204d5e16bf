import { LRUCache } from 'lru-cache';
import type { AccessChange } from '../lifecycle/access-record.ts';

/** Changes that are remembered: copies of one come within seconds. */
const MAX_SEEN = 10_000;

/**
 * How a change of rights stands to those before it. A relay that was interrupted, or that runs in several processes,
 * says a change more than once, and perhaps behind a later one: then what it says may no longer hold.
 */
export class ChangeOrder {
  readonly #seen = new LRUCache<string, true>({ max: MAX_SEEN });
  #highest = 0;

  /** `known`: applied already. `late`: something has changed, but not for sure to what it says. */
  take(change: AccessChange): 'next' | 'late' | 'known' {
    const { id } = change;
    if (id === undefined) return 'next';
    // With its content: a database that was made anew counts anew.
    const name = JSON.stringify(change);
    if (this.#seen.has(name)) return 'known';
    this.#seen.set(name, true);
    if (id < this.#highest) return 'late';
    this.#highest = id;
    return 'next';
  }
}
