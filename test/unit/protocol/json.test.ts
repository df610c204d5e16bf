import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { isBoundedJson, parseBoundedJson } from '../../../lib/protocol/index.ts';

const bytesOf = (text: string) => new TextEncoder().encode(text);

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Long enough to be scanned before it is parsed. */
const padded = (text: string) => `${' '.repeat(1_100)}${text}`;

describe('JSON from outside', () => {
  it('is read as JSON.parse reads it', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 5 }), (text) => {
        for (const variant of [text, padded(text), JSON.stringify(JSON.parse(padded(text)), null, 1)]) {
          expect(parseBoundedJson(bytesOf(variant))).toEqual({ ok: true, value: JSON.parse(variant) });
        }
      }),
      { seed: 1, numRuns: 500 },
    );
  });

  it('is refused exactly where JSON.parse would throw', () => {
    const characters = fc.constantFrom(...'{}[]":,\\/ \n\t\u0001truefalsn0123456789.-+eEu\ud800ä');
    const edit = fc.tuple(fc.nat(60), characters, fc.constantFrom(0, 1));
    fc.assert(
      fc.property(fc.json({ maxDepth: 3 }), fc.array(edit, { maxLength: 3 }), (json, edits) => {
        let text = json;
        for (const [at, character, removed] of edits) {
          const index = at % (text.length + 1);
          text = text.slice(0, index) + character + text.slice(index + removed);
        }
        expect(isBoundedJson(padded(text))).toBe(parses(text));
        expect(isBoundedJson(text)).toBe(parses(text));
      }),
      { seed: 1, numRuns: 5_000 },
    );
  });

  it.each([
    '',
    ' ',
    '{',
    '[1,]',
    '{"a":}',
    '{"a" 1}',
    '{a:1}',
    '01',
    '1.',
    '.5',
    '1e',
    '+1',
    '"\\x"',
    '"\\u12"',
    '"',
    'nul',
    '[]]',
  ])('is not %j', (text) => expect(isBoundedJson(padded(text))).toBe(false));

  it('may nest as far as anybody needs, and no further when it is large', () => {
    const nested = (depth: number) => padded('['.repeat(depth) + ']'.repeat(depth));
    expect(isBoundedJson(nested(30))).toBe(true);
    expect(isBoundedJson(nested(40))).toBe(false);
  });
});
