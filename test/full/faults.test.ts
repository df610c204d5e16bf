import { expect, it, jest } from '@jest/globals';
import { runFaults } from '../faults/suite/run.ts';

// A bound against hanging for ever; everything inside has time limits of its own.
jest.setTimeout(3_600_000);

it('20 kills of processes, PostgreSQL and Kafka lose nothing acked', async () => {
  const lines: string[] = [];
  const result = await runFaults({ seed: 20, kills: 20, patience: 10, print: (line) => lines.push(line) });
  const story = lines.join('\n');
  expect({ violations: result.violations, story }).toEqual({ violations: [], story });
  expect(result.lost).toBe(0);
  // Whoever writes here is honest: what was set aside would be lost to them.
  expect(result.quarantined).toBe(0);
  expect(result.steps.reduce((sum, { kills }) => sum + kills, 0)).toBeGreaterThanOrEqual(20);
});
