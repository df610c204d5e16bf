import { expect, it, jest } from '@jest/globals';
import { runFaults } from './suite/run.ts';

// A bound against hanging for ever; everything inside has time limits of its own.
jest.setTimeout(900_000);

/** Begins with a gateway killed at a point, PostgreSQL, a persister at a point and Kafka;  `npm run test:faults` takes any seed. */
const SEED = 3_934;
const FAULTS_FOR_MS = 25_000;

it('nothing acked is lost while processes die, hang and lose their connections', async () => {
  const lines: string[] = [];
  const result = await runFaults({
    seed: SEED,
    kills: 12,
    stepsPerScenario: 3,
    rooms: 2,
    maxMs: FAULTS_FOR_MS,
    // The machine runs other tests at the same time, and may have two cores.
    patience: 10,
    print: (line) => lines.push(line),
  });
  const story = lines.join('\n');
  expect({ violations: result.violations, story }).toEqual({ violations: [], story });
  expect(result.lost).toBe(0);
  // Whoever writes here is honest: what was set aside would be lost to them.
  expect(result.quarantined).toBe(0);
  expect(result.acked).toBeGreaterThan(50);
  expect(result.steps.length).toBeGreaterThanOrEqual(3);
});
