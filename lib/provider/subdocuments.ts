import type * as Y from 'yjs';
import type { DocumentAdapter } from './document-adapter.ts';

export interface SubdocumentHandlers {
  add: (subdocument: Y.Doc) => void;
  remove: (document: object) => void;
}

/**
 * Adds the subdocuments of a document that are loaded, now and later, and removes those that go. Each of them is
 * followed the same way by its own adding. The returned function removes all that are followed.
 */
export function followSubdocuments(adapter: DocumentAdapter, handlers: SubdocumentHandlers): () => void {
  const followed = new Set<Y.Doc>();
  const stopSubdocuments = adapter.onSubdocuments(({ loaded, removed }) => {
    for (const subdocument of removed) {
      if (followed.delete(subdocument)) handlers.remove(subdocument);
    }
    for (const subdocument of loaded) {
      followed.add(subdocument);
      handlers.add(subdocument);
    }
  });
  const stopDestroy = adapter.onDestroy(() => handlers.remove(adapter.document));
  return () => {
    stopSubdocuments();
    stopDestroy();
    for (const subdocument of followed) handlers.remove(subdocument);
    followed.clear();
  };
}
