import type { DocumentAdapter } from './document-adapter.ts';

export interface YwasmTransaction {
  applyV1(update: Uint8Array): void;
  diffV1(stateVector?: Uint8Array): Uint8Array;
  stateVectorV1(): Uint8Array;
  commit(): void;
  free(): void;
}

/** What is used of ywasm's YDoc; any copy of the package fits, also one loaded from bytes in a browser. */
export interface YwasmDoc {
  readonly id: number;
  readonly guid: string;
  beginTransaction(origin: unknown): YwasmTransaction;
  onUpdate(listener: (update: Uint8Array) => void): { free(): void };
}

export function isYwasmDoc(document: object): document is YwasmDoc {
  return 'beginTransaction' in document && 'onUpdate' in document;
}

/**
 * Documents of Yrs through ywasm 0.18.3, with its traps (seen, not documented by it):
 * - A transaction opened while another one is open on the document traps the whole WASM instance: the application
 *   must commit and free its own before it returns to the event loop, and use no document inside callbacks.
 * - Reading `origin` of a transaction takes the object out of the glue's heap; a second reader gets another object.
 *   So ours is `true`, which lives in a reserved slot, and our own updates are told apart by a flag.
 * - A fold loses what is pending, so `encodeStateAsUpdate` shows only what has been integrated.
 */
export class YwasmAdapter implements DocumentAdapter {
  readonly document: YwasmDoc;
  #isApplying = false;

  constructor(document: YwasmDoc) {
    this.document = document;
  }

  applyUpdate(update: Uint8Array): void {
    this.#isApplying = true;
    try {
      this.#transact((transaction) => transaction.applyV1(update));
    } finally {
      this.#isApplying = false;
    }
  }

  encodeStateAsUpdate(stateVector?: Uint8Array): Uint8Array {
    return this.#transact((transaction) => transaction.diffV1(stateVector));
  }

  encodeStateVector(): Uint8Array {
    return this.#transact((transaction) => transaction.stateVectorV1());
  }

  isEmpty(): boolean {
    return this.encodeStateVector().byteLength <= 1;
  }

  onLocalUpdate(_origin: unknown, listener: (update: Uint8Array) => void): () => void {
    const observer = this.document.onUpdate((update) => {
      if (!this.#isApplying) listener(update);
    });
    return () => {
      try {
        observer.free();
      } catch {
        this.#isApplying = false; // a trapped instance cannot free its observer; there is nothing left to undo
      }
    };
  }

  /** Not followed: an application adds those it wants by itself. */
  onSubdocuments(): () => void {
    return () => undefined;
  }

  onDestroy(): () => void {
    return () => undefined;
  }

  isTrap(error: unknown): boolean {
    return error instanceof WebAssembly.RuntimeError;
  }

  #transact<T>(action: (transaction: YwasmTransaction) => T): T {
    const transaction = this.document.beginTransaction(true);
    let result: T;
    try {
      result = action(transaction);
      transaction.commit();
    } catch (error) {
      if (!this.isTrap(error)) transaction.free();
      throw error instanceof Error ? error : new Error(String(error)); // ywasm throws strings
    }
    transaction.free();
    return result;
  }
}
