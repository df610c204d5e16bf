import { describe, expect, it } from '@jest/globals';
import { reportLineOf, runPart } from '../../scripts/lib/sim-run.ts';

describe('the report of a long run', () => {
  it('names schedules, events, faults, acks and both kinds of hours', () => {
    const progress = {
      schedules: 40,
      events: 20_000,
      acked: 400,
      settledAfterMs: 7,
      failures: [],
      counts: { 'crash gateway': 3, trim: 2, resume: 9 },
      done: [1],
      cpuSeconds: 5400,
      wallSeconds: 3600,
    };
    expect(reportLineOf({ kind: 'faults', from: 1, to: 40, workers: 2 }, progress)).toBe(
      'Simulator: seeds 1 to 40, 40 schedules, 20000 events, 5 faults, 400 updates acked, 0 schedules red; ' +
        '1.00 hours of wall time, 1.50 of a processor. ' +
        'Command: `npm run sim -- --seeds 1..40 --workers 2 --report`.',
    );
  });

  it('counts the time that the processors worked, not the time that passed', async () => {
    const beganAt = performance.now();
    const { cpuSeconds } = await runPart(1, 2);
    expect(cpuSeconds).toBeGreaterThan(0.05);
    // One thread works, others help it to begin; on a machine with other work far more time passes.
    expect(cpuSeconds).toBeLessThan((4 * (performance.now() - beganAt)) / 1000);
  });
});
