import { describe, expect, it } from '@jest/globals';
import { ServiceProcess } from '../../../scripts/lib/service-process.ts';
import { waitFor } from '../../support/wait.ts';

/** Writes to the same output as the process that starts it, once that is dead. */
const LATE = `
const parent = process.ppid;
const timer = setInterval(() => {
  if (process.ppid === parent) return;
  clearInterval(timer);
  console.log('last words');
}, 20);
console.log('begun');
`;
const START_LATE = `
import { spawn } from 'node:child_process';
if (process.env.LATE) {
  const env = { PATH: process.env.PATH };
  spawn(process.execPath, ['-e', process.env.LATE], { stdio: 'inherit', env }).unref();
}
`;

describe('the process of a service', () => {
  it('that has died is told, with its last lines, before it counts as ended', async () => {
    const told: string[] = [];
    const child = new ServiceProcess({
      name: 'codec-1',
      services: ['codec'],
      env: {
        PATH: process.env.PATH!,
        LATE,
        NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(START_LATE)}`,
        // Refused at once, where it comes so far.
        PARTITIONS: 'many',
      },
      onLine: (_, line) => told.push(line),
      onDeath: (name, { signal }) => told.push(`${name} is dead: ${signal}`),
    });
    child.start();
    await waitFor(() => told.includes('begun'), { timeoutMs: 60_000, intervalMs: 1 });
    child.signal('SIGKILL');
    await waitFor(() => !child.isRunning, { timeoutMs: 60_000, intervalMs: 1 });
    // What is told later would be told of the run that follows.
    expect(told.slice(-2)).toEqual(['last words', 'codec-1 is dead: SIGKILL']);
  });
});
