import * as Y from 'yjs';
import type { DocumentAdapter } from './document-adapter.ts';

/** What a document shows, unit by unit, in order: who made each, and what it is. */
type Unit = readonly [client: number, clock: number, content: unknown];
type AnyType = NonNullable<ReturnType<Y.Doc['share']['get']>>;

/**
 * The document of somebody who gets these updates now, or undefined when that one could not take them either.
 * An update that throws may have been applied in part; nobody gets half of it but those who were there.
 */
export function newcomerOf(updates: readonly Uint8Array[]): Y.Doc | undefined {
  const doc = new Y.Doc({ guid: 'newcomer' });
  try {
    for (const update of updates) Y.applyUpdate(doc, update);
    return doc;
  } catch {
    return undefined; // that it throws is the answer
  }
}

/**
 * Whether a document shows what a newcomer's does and takes the same updates from now on. Order and content are
 * compared as they stand in the document: half an update can leave equal ids and another text.
 */
export function isLike(adapter: DocumentAdapter, newcomer: Y.Doc): boolean {
  try {
    const own = isYjsDoc(adapter.document) ? adapter.document : newcomerOf([adapter.encodeStateAsUpdate()]);
    return own !== undefined && haveEqualClocks(own, newcomer) && showTheSame(own, newcomer);
  } catch {
    return false; // it cannot even be read
  }
}

/** Whether the document has taken in anything that is not among what a newcomer gets. */
export function holdsMore(adapter: DocumentAdapter, newcomer: Y.Doc): boolean {
  try {
    const known = clocksOf(newcomer);
    const own = Y.decodeStateVector(adapter.encodeStateVector());
    return [...own].some(([client, clock]) => clock > (known.get(client) ?? 0));
  } catch {
    return true; // it cannot even be read
  }
}

function clocksOf(doc: Y.Doc): Map<number, number> {
  return Y.decodeStateVector(Y.encodeStateVector(doc));
}

function isYjsDoc(document: object): document is Y.Doc {
  return 'store' in document && 'share' in document;
}

function haveEqualClocks(a: Y.Doc, b: Y.Doc): boolean {
  const [own, other] = [clocksOf(a), clocksOf(b)];
  return own.size === other.size && [...own].every(([client, clock]) => other.get(client) === clock);
}

function showTheSame(a: Y.Doc, b: Y.Doc): boolean {
  const names = new Set([...a.share.keys(), ...b.share.keys()]);
  return [...names].every((name) => {
    const [own, other] = [unitsOf(a.share.get(name)), unitsOf(b.share.get(name))];
    for (;;) {
      const unit = own.next();
      if (!isEqual(unit.value, other.next().value)) return false;
      if (unit.done === true) return true;
    }
  });
}

/** A root type that only one of them has named is empty in the other. */
function* unitsOf(type: AnyType | undefined): Generator<Unit, undefined> {
  if (!type) return;
  for (let item = type._start; item; item = item.right) if (!item.deleted) yield* unitsIn(item);
  for (const key of [...type._map.keys()].sort()) {
    const item = type._map.get(key)!;
    if (item.deleted) continue;
    yield [item.id.client, -1, key];
    yield* unitsIn(item);
  }
}

function* unitsIn({ id, content, length }: Y.Item): Generator<Unit, undefined> {
  if (content instanceof Y.ContentType) {
    yield [id.client, id.clock, content.type.constructor.name];
    return yield* unitsOf(content.type as AnyType);
  }
  if (content instanceof Y.ContentFormat) return yield [id.client, id.clock, [content.key, content.value]];
  if (content instanceof Y.ContentDoc) return yield [id.client, id.clock, content.doc.guid];
  const parts = content.getContent() as unknown[];
  for (let at = 0; at < length; at++) yield [id.client, id.clock + at, parts[at]];
}

function isEqual(a: Unit | undefined, b: Unit | undefined): boolean {
  if (!a || !b) return a === b;
  if (a[0] !== b[0] || a[1] !== b[1]) return false;
  return a[2] === b[2] || JSON.stringify(a[2]) === JSON.stringify(b[2]);
}
