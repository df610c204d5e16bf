import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { MUTATIONS } from '../sim/mutations/list.ts';

/** Seeds that the simulator has for each; most need fewer than thirty, and `find.ts 400 --count` tells how many of 400 show it. */
const MOST_SEEDS = 2_000;
/** Some 15 s on a quiet machine. */
const TIMEOUT_MS = 900_000;

interface Result {
  name: string;
  seed?: number;
}

describe('the simulator sees', () => {
  it(
    'each fault that is put into the code on purpose',
    async () => {
      const args = [join(import.meta.dirname, '../sim/mutations/find.ts'), String(MOST_SEEDS)];
      const { stdout } = await promisify(execFile)(process.execPath, args);
      const results = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Result);
      expect(results.map(({ name }) => name)).toEqual(MUTATIONS.map(({ name }) => name));
      expect(results.filter(({ seed }) => seed === undefined).map(({ name }) => name)).toEqual([]);
    },
    TIMEOUT_MS,
  );
});
