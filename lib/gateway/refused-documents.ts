import { addressKey, type DocumentAddress } from '../protocol/ids.ts';

/**
 * The documents that a connection was refused for lack of a right, so that it can be told when rights have changed: of
 * more than `max` those that were refused last. Each is told once, and again only when it has been refused again.
 */
export class RefusedDocuments {
  readonly #max: number;
  /** By address, in the order of refusal. */
  readonly #documents = new Map<string, DocumentAddress>();

  constructor(max: number) {
    this.#max = max;
  }

  add(address: DocumentAddress): void {
    const key = addressKey(address);
    this.#documents.delete(key);
    this.#documents.set(key, address);
    for (const oldest of this.#documents.keys()) {
      if (this.#documents.size <= this.#max) return;
      this.#documents.delete(oldest);
    }
  }

  /** It has been let in, or is not wanted any more. */
  forget(address: DocumentAddress): void {
    this.#documents.delete(addressKey(address));
  }

  /** Those that are meant, which are forgotten with it. */
  take(isMeant: (address: DocumentAddress) => boolean): DocumentAddress[] {
    const taken = [...this.#documents.values()].filter(isMeant);
    for (const address of taken) this.forget(address);
    return taken;
  }
}
