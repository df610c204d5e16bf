import * as Y from 'yjs';

/** A document that collects its own updates. */
export class Writer {
  readonly doc: Y.Doc;
  #updates: Uint8Array[] = [];

  constructor(clientId: number) {
    this.doc = new Y.Doc({ guid: `writer-${clientId}` });
    this.doc.clientID = clientId;
    this.doc.on('update', (update: Uint8Array) => this.#updates.push(update));
  }

  get text(): string {
    return this.doc.getText('t').toString();
  }

  /** Types at the end and returns the updates, one for each text. */
  type(...texts: string[]): Uint8Array[] {
    for (const text of texts) this.doc.getText('t').insert(this.doc.getText('t').length, text);
    return this.take();
  }

  erase(index: number, length: number): Uint8Array[] {
    this.doc.getText('t').delete(index, length);
    return this.take();
  }

  take(): Uint8Array[] {
    return this.#updates.splice(0);
  }
}

/** The text that a fresh client shows after these updates. */
export function textOf(...updates: Uint8Array[]): string {
  const doc = new Y.Doc({ guid: 'reader' });
  for (const update of updates) Y.applyUpdate(doc, update);
  return doc.getText('t').toString();
}
