import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { readOptions, UsageError, wholeNumber } from '../../../scripts/lib/command-line.ts';

const ROOT = join(import.meta.dirname, '../../..');
const text = { type: 'string' } as const;

/** A script of the project, to its end. */
function run(script: string, ...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(ROOT, 'scripts', script), ...args], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  return { status, stdout, stderr };
}

describe('a command line', () => {
  it('is read; an option that nobody knows is a fault of the usage', () => {
    expect(readOptions({ room: text }, ['--room', 'r'])).toMatchObject({ room: 'r' });
    expect(() => readOptions({ room: text }, ['--rooms', 'r'])).toThrow(UsageError);
    expect(() => readOptions({ room: text }, ['--room'])).toThrow(UsageError);
  });

  it.each(['', '-1', '1.5', 'ten', '1e3', '1000', '4'])('%p is no whole number from 5 to 999', (value) => {
    expect(() => wholeNumber('n', value, { min: 5, max: 999 })).toThrow(
      '--n must be a whole number from 5 to 999.',
    );
  });

  it('has whole numbers', () => {
    expect(wholeNumber('n', '999', { min: 5, max: 999 })).toBe(999);
    expect(wholeNumber('n', '0')).toBe(0);
  });

  it('of a script that is wrong is answered with the reason, the usage and 2, without a stack', () => {
    const { status, stderr, stdout } = run('replay.ts', '--bogus');
    expect(status).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/'--bogus'[^]*Usage: npm run replay/);
    expect(stderr).not.toMatch(/^ +at /m);
  });

  it('that asks for help gets the usage', () => {
    const { status, stdout } = run('replay.ts', '--help');
    expect(status).toBe(0);
    expect(stdout).toContain('Usage: npm run replay');
  });
});
