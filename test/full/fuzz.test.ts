import { describe, expect, it } from '@jest/globals';
import { faultsOf, fuzzGateway } from '../fuzz/run.ts';

const FRAMES = 20_000;

describe('damaged frames of real sessions', () => {
  it('are answered, leave nothing in the log, and two people in another room go on', async () => {
    const report = await fuzzGateway({ seed: 20_260_101, frames: FRAMES });
    expect(faultsOf(report)).toEqual([]);
    expect(report.frames).toBeGreaterThanOrEqual(FRAMES);
    // Most of what matters was among it.
    expect(Object.keys(report.nacks)).toEqual(
      expect.arrayContaining([
        'BAD_FRAME',
        'BAD_CHUNK',
        'BAD_ENVELOPE',
        'BAD_METADATA',
        'BAD_ID',
        'BAD_UPDATE',
        'BAD_AWARENESS',
        'METADATA_TOO_LARGE',
      ]),
    );
    expect(report.acks).toBeGreaterThan(FRAMES / 10);
    // One each 50 ms, for as long as the frames take: on a quick machine not long.
    expect(report.control.edits).toBeGreaterThan(3);
  });
});
