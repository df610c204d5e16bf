import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  addressKey,
  documentKey,
  isComparable,
  isPosition,
  isValidId,
  parseDocumentKey,
  type DocumentId,
} from '../../../lib/protocol/index.ts';

const id = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter((text) => isValidId(text));
const documentId: fc.Arbitrary<DocumentId> = fc.record(
  { tenantId: id, roomId: id, docId: id, subdocId: id },
  { requiredKeys: ['tenantId', 'roomId', 'docId'] },
);

describe('ids', () => {
  it.each(['a', 'x'.repeat(128), 'ä'.repeat(64), '🦊'.repeat(32), 'a/b%2F c', '..', '\u2028', '\u00a0'])(
    'accepts %j',
    (text) => expect(isValidId(text)).toBe(true),
  );

  it.each([
    '',
    'x'.repeat(129),
    'ä'.repeat(65),
    '🦊'.repeat(33),
    'x'.repeat(10_240),
    'a\u0000',
    'a\n',
    '\u007f',
    '\u0085',
    '\ud83e',
    'a\udd8a',
    undefined,
    null,
    7,
    ['a'],
    {},
  ])('refuses %j', (value) => expect(isValidId(value)).toBe(false));

  it('names every document by a key of its own, and reads it back', () => {
    fc.assert(
      fc.property(documentId, documentId, (a, b) => {
        expect(parseDocumentKey(documentKey(a))).toEqual(a);
        const isSame = JSON.stringify(Object.entries(a).sort()) === JSON.stringify(Object.entries(b).sort());
        expect(documentKey(a) === documentKey(b)).toBe(isSame);
      }),
      { seed: 1, numRuns: 2_000 },
    );
  });

  it('keeps a slash inside an id apart from the one between two', () => {
    const keys = [
      { roomId: 'a/b', docId: 'c' },
      { roomId: 'a', docId: 'b/c' },
      { roomId: 'a', docId: 'b', subdocId: 'c' },
      { roomId: 'a%2Fb', docId: 'c' },
    ].map((address) => addressKey(address));
    expect(new Set(keys).size).toBe(keys.length);
  });

  it.each([
    '',
    'a/b',
    'a/b/c/d/e',
    'a//c',
    'a/%/c',
    'a/%ff/c',
    'a/%41/c',
    'a/%0a/c',
    'a/ä/c',
    `a/b/${'x'.repeat(129)}`,
  ])('does not read %j as a key', (text) => expect(parseDocumentKey(text)).toBeUndefined());
});

describe('positions', () => {
  const position = { generation: 1, epoch: 2, partition: 3, offset: 4 };

  it('may stand before the first record', () => {
    expect(isPosition({ ...position, offset: -1 })).toBe(true);
  });

  it.each([
    null,
    'x',
    [],
    {},
    { ...position, offset: -2 },
    { ...position, offset: 1.5 },
    { ...position, offset: '4' },
    { ...position, generation: -1 },
    { ...position, epoch: Number.MAX_SAFE_INTEGER + 1 },
    { ...position, partition: NaN },
  ])('refuses %j', (value) => expect(isPosition(value)).toBe(false));

  it('compare only on one line', () => {
    expect(isComparable(position, { ...position, offset: 9 })).toBe(true);
    for (const key of ['generation', 'epoch', 'partition'] as const)
      expect(isComparable(position, { ...position, [key]: 9 })).toBe(false);
  });
});
