import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { CodePointText, countCodePoints } from '../../../scripts/lib/code-points.ts';

const character = fc.constantFrom('a', 'é', '漢', '😀', '\u{1f680}', '\n');
const text = fc.array(character, { maxLength: 1500 }).map((parts) => parts.join(''));

describe('a text indexed by code points', () => {
  it('counts as the iterator of strings does', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (s) => countCodePoints(s) === [...s].length),
      { seed: 1 },
    );
  });

  it('agrees with an array of characters under random edits', () => {
    const edits = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 900 }), text), { maxLength: 20 });
    fc.assert(
      fc.property(text, edits, (start, steps) => {
        const indexed = new CodePointText(start);
        let model = [...start];
        for (const [at, length, inserted] of steps) {
          const position = at % (model.length + 1);
          const removed = Math.min(length, model.length - position);
          const from = indexed.toUnits(position);
          indexed.splice(from, indexed.toUnits(position + removed) - from, inserted);
          model = [...model.slice(0, position), ...inserted, ...model.slice(position + removed)];
        }
        expect(indexed.toString()).toBe(model.join(''));
        for (let n = 0; n <= model.length; n += 1 + (model.length >> 4))
          expect(indexed.toUnits(n)).toBe(model.slice(0, n).join('').length);
      }),
      { seed: 1, numRuns: 60 },
    );
  });

  it('refuses positions beyond the end', () => {
    const indexed = new CodePointText('😀');
    expect(() => indexed.toUnits(2)).toThrow(RangeError);
    expect(() => indexed.splice(1, 5, '')).toThrow(RangeError);
  });
});
