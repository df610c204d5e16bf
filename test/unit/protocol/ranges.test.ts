import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  addVersion,
  hasVersion,
  isVersionRanges,
  mergeRanges,
  type VersionRanges,
} from '../../../lib/protocol/index.ts';

const versions = fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 60 });

function rangesOf(list: number[]): VersionRanges {
  const ranges: VersionRanges = [];
  for (const version of list) addVersion(ranges, version);
  return ranges;
}

/** The ranges by the plain definition: what the other implementation is compared with. */
function expectedRanges(list: number[]): VersionRanges {
  const sorted = [...new Set(list)].sort((a, b) => a - b);
  const ranges: VersionRanges = [];
  for (const version of sorted) {
    const last = ranges.at(-1);
    if (last && last[1] === version - 1) last[1] = version;
    else ranges.push([version, version]);
  }
  return ranges;
}

describe('version ranges', () => {
  it('are the set of what was added, in any order, with repeats', () => {
    fc.assert(
      fc.property(versions, (list) => {
        const ranges = rangesOf(list);
        expect(ranges).toEqual(expectedRanges(list));
        expect(isVersionRanges(ranges)).toBe(true);
        for (let version = 0; version <= 41; version++)
          expect(hasVersion(ranges, version)).toBe(list.includes(version));
      }),
      { seed: 1, numRuns: 1_000 },
    );
  });

  it('merge to the union and leave both lists alone', () => {
    fc.assert(
      fc.property(versions, versions, (a, b) => {
        const [left, right] = [rangesOf(a), rangesOf(b)];
        const before = JSON.stringify([left, right]);
        expect(mergeRanges(left, right)).toEqual(expectedRanges([...a, ...b]));
        expect(JSON.stringify([left, right])).toBe(before);
      }),
      { seed: 1, numRuns: 1_000 },
    );
  });

  it.each([
    [null],
    [{}],
    [[1, 2]],
    [[[1]]],
    [[[1, 2, 3]]],
    [[[2, 1]]],
    [[[-1, 1]]],
    [
      [
        [1, 3],
        [3, 4],
      ],
    ],
    [[['1', 2]]],
  ])('are not %j', (value) => expect(isVersionRanges(value)).toBe(false));
});
