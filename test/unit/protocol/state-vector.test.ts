import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import * as Y from 'yjs';
import { isStateVector } from '../../../lib/protocol/index.ts';
import { hex } from '../../support/hex.ts';

describe('a state vector', () => {
  it('is what Yjs writes', () => {
    const clock = fc.integer({ min: 0, max: 2 ** 40 });
    fc.assert(
      fc.property(fc.array(fc.tuple(clock, clock)), (clocks) =>
        expect(isStateVector(Y.encodeStateVector(new Map(clocks)))).toBe(true),
      ),
      { seed: 1 },
    );
  });

  it.each(['', '01', '05 01', '01 01', '00 00', '01 01 01 00', 'ff ff ff ff ff ff ff ff ff 01', '81 00'])(
    'is not %s',
    (bytes) => expect(isStateVector(hex(bytes))).toBe(false),
  );

  it('that is taken can be read by Yjs', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 12 }), (bytes) => {
        if (isStateVector(bytes)) Y.decodeStateVector(bytes);
      }),
      { seed: 1, numRuns: 20_000 },
    );
  });
});
