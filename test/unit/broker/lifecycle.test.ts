import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';

const CHILD = join(import.meta.dirname, '../../support/stopping-child.ts');
const BUSY_MS = 60_000;

interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  /** What it logged. */
  said: string[];
}

/** Runs the child to its end; it gets SIGTERM once it is up, unless it ends by itself. */
function endOf(fault: string, { isAsked }: { isAsked: boolean }): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [CHILD, fault], { stdio: ['ignore', 'pipe', 'pipe'] });
    const timer = setTimeout(() => child.kill('SIGKILL'), BUSY_MS);
    let output = '';
    let hasBeenAsked = !isAsked;
    child.stderr.resume();
    child.stdout.on('data', (bytes: Buffer) => {
      output += bytes.toString();
      if (hasBeenAsked || !output.includes('up\n')) return;
      hasBeenAsked = true;
      child.kill('SIGTERM');
    });
    child.once('error', reject);
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal, said: output.split('\n').slice(0, -1) });
    });
  });
}

describe('the end of a process', () => {
  it(
    'is 0 only when all has stopped in order',
    async () => {
      const [fine, throws, hangs, unclosed] = await Promise.all(
        ['none', 'stopped-throws', 'stopped-hangs', 'close-rejects'].map((fault) =>
          endOf(fault, { isAsked: true }),
        ),
      );
      expect(fine).toEqual({
        code: 0,
        signal: null,
        said: ['up', 'stopping', 'the service stops', 'closed'],
      });
      // Moleculer itself says nothing of it, and its own handler would exit 0.
      expect(throws).toMatchObject({ code: 1, said: expect.arrayContaining(['closed', 'stop failed']) });
      expect(hangs).toMatchObject({ code: 1 });
      expect(hangs!.said.at(-1)).toBe('stop took too long');
      expect(hangs!.said).not.toContain('closed');
      expect(unclosed).toMatchObject({ code: 1, said: expect.arrayContaining(['closed', 'stop failed']) });
    },
    2 * BUSY_MS,
  );

  it(
    'is 1, after a stop in order, for a rejection that nobody handles and for a process that leaves',
    async () => {
      const [rejected, left] = await Promise.all(
        ['rejection', 'leave'].map((fault) => endOf(fault, { isAsked: false })),
      );
      const inOrder = ['stopping', 'the service stops', 'closed'];
      expect(rejected).toEqual({ code: 1, signal: null, said: ['up', 'unhandled rejection', ...inOrder] });
      expect(left).toEqual({
        code: 1,
        signal: null,
        said: ['up', 'the process leaves, to be started anew', ...inOrder],
      });
    },
    2 * BUSY_MS,
  );
});
