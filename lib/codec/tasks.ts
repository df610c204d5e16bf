import * as Y from 'yjs';
import { AppError } from '../errors.ts';
import { pendingOf, scratchDocument } from './documents.ts';
import { isApplicable } from './fold.ts';
import type { CheckVerdict, Description, RenderRequest } from './port.ts';

/** Rejects with CODEC_FAILED what Yjs cannot do with stored bytes. */
function codecFailed<T>(work: () => T): T {
  try {
    return work();
  } catch (cause) {
    throw new AppError('CODEC_FAILED', { cause });
  }
}

function load(update: Uint8Array): Y.Doc {
  const doc = scratchDocument();
  codecFailed(() => Y.applyUpdate(doc, update));
  return doc;
}

export function mergeUpdates(updates: readonly Uint8Array[]): Uint8Array {
  // With one update Yjs hands back the input itself: a result must own its memory.
  if (updates.length === 1) return new Uint8Array(updates[0]!);
  return codecFailed(() => Y.mergeUpdates([...updates]));
}

export function diffUpdate(update: Uint8Array, stateVector: Uint8Array): Uint8Array {
  try {
    Y.decodeStateVector(stateVector);
  } catch (cause) {
    throw new AppError('BAD_INPUT', { data: { field: 'stateVector' }, cause });
  }
  return codecFailed(() => Y.diffUpdate(update, stateVector));
}

export function stateVectorOf(update: Uint8Array): Uint8Array {
  return Y.encodeStateVector(load(update));
}

export function checkUpdate(update: Uint8Array): CheckVerdict {
  try {
    Y.decodeUpdate(update);
  } catch {
    return { ok: false, reason: 'undecodable' }; // that it throws is the answer
  }
  if (!isApplicable(update)) return { ok: false, reason: 'inapplicable' };
  const pending = pendingOf(load(update));
  return { ok: true, pending: pending.structs || pending.deletes };
}

export function describeUpdate(update: Uint8Array): Description {
  const decodedUpdate = codecFailed(() => Y.decodeUpdate(update));
  const doc = load(update);
  const pending = pendingOf(doc);
  let deletedRanges = 0;
  for (const ranges of decodedUpdate.ds.clients.values()) deletedRanges += ranges.length;
  return {
    bytes: update.byteLength,
    stateVector: Y.encodeStateVector(doc),
    clients: doc.store.clients.size,
    structs: decodedUpdate.structs.length,
    deletedRanges,
    pendingStructs: pending.structs,
    pendingDeletes: pending.deletes,
    roots: [...doc.share.keys()],
  };
}

export function renderUpdate(update: Uint8Array, request: RenderRequest): string {
  const doc = load(update);
  const roots = [...doc.share.keys()];
  if (request.as === 'text') {
    const root = request.root ?? roots[0];
    return root === undefined ? '' : codecFailed(() => doc.getText(root).toString());
  }
  const chosen = request.root === undefined ? roots : roots.filter((root) => root === request.root);
  const json = Object.fromEntries(chosen.map((root) => [root, rootToJson(doc, root)]));
  // Yjs carries BigInt, JSON does not.
  return JSON.stringify(json, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value));
}

/** The kind of a root type is not in the update; what it holds decides: keyed entries, text, or a list. */
function rootToJson(doc: Y.Doc, root: string): unknown {
  const type = doc.share.get(root)!;
  if (type._map.size > 0) return doc.getMap(root).toJSON();
  const holdsText = (item: Y.Item | null): boolean =>
    item !== null &&
    (item.content instanceof Y.ContentString || item.content instanceof Y.ContentFormat
      ? true
      : holdsText(item.right));
  return codecFailed(() =>
    holdsText(type._start) ? doc.getText(root).toJSON() : doc.getArray(root).toJSON(),
  );
}
