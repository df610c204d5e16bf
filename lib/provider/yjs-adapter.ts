import * as Y from 'yjs';
import type { DocumentAdapter, SubdocumentChange } from './document-adapter.ts';

interface SubdocsEvent {
  loaded: Set<Y.Doc>;
  added: Set<Y.Doc>;
  removed: Set<Y.Doc>;
}

/** Yjs's own documents. */
export class YjsAdapter implements DocumentAdapter {
  readonly document: Y.Doc;

  constructor(document: Y.Doc) {
    this.document = document;
  }

  applyUpdate(update: Uint8Array, origin: unknown): void {
    Y.applyUpdate(this.document, update, origin);
  }

  encodeStateAsUpdate(stateVector?: Uint8Array): Uint8Array {
    return Y.encodeStateAsUpdate(this.document, stateVector);
  }

  encodeStateVector(): Uint8Array {
    return Y.encodeStateVector(this.document);
  }

  isEmpty(): boolean {
    const { store } = this.document;
    return store.clients.size === 0 && store.pendingStructs === null && store.pendingDs === null;
  }

  onLocalUpdate(origin: unknown, listener: (update: Uint8Array) => void): () => void {
    const onUpdate = (update: Uint8Array, from: unknown) => {
      if (from !== origin) listener(update);
    };
    this.document.on('update', onUpdate);
    return () => this.document.off('update', onUpdate);
  }

  onSubdocuments(listener: (change: SubdocumentChange) => void): () => void {
    const present = [...this.document.getSubdocs()].filter((subdocument) => subdocument.shouldLoad);
    if (present.length > 0) listener({ loaded: present, removed: [] });
    const onSubdocs = ({ loaded, removed }: SubdocsEvent) =>
      listener({ loaded: [...loaded], removed: [...removed] });
    this.document.on('subdocs', onSubdocs);
    return () => this.document.off('subdocs', onSubdocs);
  }

  onDestroy(listener: () => void): () => void {
    this.document.on('destroy', listener);
    return () => this.document.off('destroy', listener);
  }

  isTrap(): boolean {
    return false;
  }
}
