import type * as Y from 'yjs';
import type { DocumentOperations } from '../protocol/index.ts';
import { YjsAdapter } from './yjs-adapter.ts';
import { isYwasmDoc, YwasmAdapter, type YwasmDoc } from './ywasm-adapter.ts';

export interface SubdocumentChange {
  /** Subdocuments whose content is wanted now. */
  loaded: readonly Y.Doc[];
  removed: readonly Y.Doc[];
}

/** A CRDT document as the provider sees it; V1 encoding everywhere. */
export interface DocumentAdapter extends DocumentOperations {
  /** The application's document. */
  readonly document: object;
  /** True when nothing is in it, not even something pending. */
  isEmpty(): boolean;
  /** Calls back for every change that `applyUpdate` of this adapter with this origin did not make. */
  onLocalUpdate(origin: unknown, listener: (update: Uint8Array) => void): () => void;
  /** Subdocuments that are wanted now, then every change; implementations without them never call back. */
  onSubdocuments(listener: (change: SubdocumentChange) => void): () => void;
  /** Calls back when the application destroys the document. */
  onDestroy(listener: () => void): () => void;
  /** True when this error means that the document, and all others of its WASM instance, cannot be used any more. */
  isTrap(error: unknown): boolean;
}

export type SupportedDocument = Y.Doc | YwasmDoc | DocumentAdapter;

function isAdapter(document: object): document is DocumentAdapter {
  return 'applyUpdate' in document && 'onLocalUpdate' in document;
}

export function createDocumentAdapter(document: SupportedDocument): DocumentAdapter {
  if (isAdapter(document)) return document;
  return isYwasmDoc(document) ? new YwasmAdapter(document) : new YjsAdapter(document);
}
