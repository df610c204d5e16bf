import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { printSchedule, shrink } from './shrink.ts';
import { expectNoneRed } from './suite.ts';
import { schedulesOf } from './world/kinds.ts';
import type { Action } from './world/schedule.ts';

const SCRIPT = join(import.meta.dirname, 'mutations/shrink-one.ts');
/** Some 2 s on a quiet machine. */
const TIMEOUT_MS = 120_000;
const MUTATION = 'ack-on-the-produce-answer';
const NOTHING = { schedules: 1, events: 1, acked: 1, settledAfterMs: 0, counts: {}, cpuSeconds: 0 };

interface Shrunk {
  seed: number;
  whole: Action[];
  minimal: Action[];
  isRed: boolean;
  isRedWithoutTheMutation: boolean;
  printed: string;
  message: string;
}

describe('a schedule that fails', () => {
  it('loses every action that its failure does not need, and no other', async () => {
    const whole = schedulesOf.faults(7);
    const needed = [whole.actions[1]!, whole.actions.at(-2)!];
    const minimal = await shrink(whole, ({ actions }) =>
      Promise.resolve(needed.every((action) => actions.includes(action))),
    );
    expect(whole.actions.length).toBeGreaterThan(5);
    expect(minimal).toEqual({ ...whole, actions: needed });
  });

  it(
    'because of a fault in the code is printed with fewer actions, and is red with the fault alone',
    async () => {
      const { stdout } = await promisify(execFile)(process.execPath, [SCRIPT, MUTATION]);
      const shrunk = JSON.parse(stdout) as Shrunk;
      expect(shrunk.minimal.length).toBeLessThan(shrunk.whole.length);
      expect(shrunk.whole).toEqual(expect.arrayContaining(shrunk.minimal));
      expect([shrunk.isRed, shrunk.isRedWithoutTheMutation]).toEqual([true, false]);
      const lines = shrunk.printed.split('\n');
      expect(lines[0]).toBe(`seed ${shrunk.seed}`);
      expect(lines.slice(2)).toEqual(
        shrunk.minimal.map(({ kind, atMs }) => expect.stringMatching(new RegExp(`${atMs} ms  ${kind} `))),
      );
      expect(shrunk.message).toContain(`--seed ${shrunk.seed} --trace`);
      expect(shrunk.message.endsWith(`\nMinimal:\n${shrunk.printed}`)).toBe(true);
    },
    TIMEOUT_MS,
  );

  it(
    'fails the test that ran its seed, with what was found and with the schedule',
    async () => {
      const failures = [
        { seed: 138, found: ['lost room/doc: version 4', 'diverged room/doc'] },
        { seed: 9, found: [] },
      ];
      await expect(expectNoneRed({ ...NOTHING, failures }, 'faults')).rejects.toThrow(
        'Schedules fail (seeds 138, 9); npm run sim -- --kind faults --seed 138 --trace shows the first.\n' +
          `lost room/doc: version 4\ndiverged room/doc\nMinimal:\n${printSchedule(schedulesOf.faults(138))}`,
      );
      const green = { ...NOTHING, failures: [] };
      expect(await expectNoneRed(green, 'faults')).toBe(green);
    },
    TIMEOUT_MS,
  );
});
