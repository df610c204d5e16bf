import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { isStartedByFaultSuite } from '../../lib/config.ts';
import {
  failpoint,
  FAILPOINTS,
  openFailpoints,
  TAKEN_BACK,
  type FailpointMessage,
} from '../../lib/failpoints.ts';

const ROOT = join(import.meta.dirname, '../..');
const CHILD = join(ROOT, 'test/support/failpoint-child.ts');

/** A process that has a channel to its parent, as under a process manager; it answers what it survives. */
function start(env: Record<string, string>) {
  return fork(CHILD, { env: { PATH: process.env.PATH ?? '', ...env }, silent: true });
}

async function sourcesOf(folder: string): Promise<string[]> {
  const files = await readdir(join(ROOT, folder), { recursive: true, withFileTypes: true });
  return Promise.all(
    files
      .filter((file) => file.name.endsWith('.ts') && file.name !== 'failpoints.ts')
      .map((file) => readFile(join(file.parentPath, file.name), 'utf8')),
  );
}

describe('failpoints', () => {
  it('each of the list stands in the code exactly once, and no other', async () => {
    const found = (await sourcesOf('lib')).flatMap((source) =>
      [...source.matchAll(/\bfailpoint\('([^']+)'\)/g)].map(([, name]) => name!),
    );
    expect(found.sort()).toEqual([...FAILPOINTS].sort());
  });

  it('do nothing in a process that nobody has opened', () => {
    for (const point of FAILPOINTS) expect(() => failpoint(point)).not.toThrow();
  });

  it('take orders only with the variable of the suite and a channel of the parent', () => {
    const listeners: string[] = [];
    const self = {
      pid: 1,
      on: (event: string) => listeners.push(event),
      kill: () => expect(true).toBe(false),
    };
    expect(isStartedByFaultSuite({})).toBe(false);
    expect(isStartedByFaultSuite({ NODE_ENV: 'test', YKAFKA_TEST_FAILPOINTS: 'true' })).toBe(false);
    expect(openFailpoints(false, { ...self, send: () => undefined })).toBe(false);
    expect(openFailpoints(true, self)).toBe(false);
    expect(listeners).toEqual([]);
  });

  it('cannot be reached in a process without the variable, whatever its parent sends', async () => {
    const child = start({});
    const order: FailpointMessage = { failpoint: { point: 'ack:before', hit: 1, action: 'kill' } };
    child.send(order);
    child.send('pass ack:before');
    expect(await once(child, 'message')).toEqual(['passed', undefined]);
    child.kill('SIGKILL');
    await once(child, 'exit');
  });

  it('end the process at the hit that was ordered, and say so first', async () => {
    const child = start({ YKAFKA_TEST_FAILPOINTS: '1' });
    let output = '';
    child.stdout!.on('data', (bytes: Buffer) => (output += bytes.toString()));
    const order: FailpointMessage = { failpoint: { point: 'ack:before', hit: 3, action: 'kill' } };
    child.send(order);
    for (const point of ['ack:after', 'ack:before', 'ack:before']) {
      child.send(`pass ${point}`);
      expect(await once(child, 'message')).toEqual(['passed', undefined]);
    }
    child.send('pass ack:before');
    // Not with its exit: what it has said may come behind that.
    const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
    expect({ code, signal }).toEqual({ code: null, signal: 'SIGKILL' });
    expect(output).toContain('"failpoint reached","point":"ack:before","action":"kill"');
  });

  it('fail with a retryable error once, or not at all when the order was taken back', async () => {
    const child = start({ YKAFKA_TEST_FAILPOINTS: '1' });
    const pass = async () => {
      child.send('pass commit:after');
      return ((await once(child, 'message')) as [string])[0];
    };
    const order: FailpointMessage = { failpoint: { point: 'commit:after', hit: 1, action: 'fail' } };
    child.send(order);
    expect(await pass()).toBe('retryable: Failed on purpose: commit:after.');
    expect(await pass()).toBe('passed');
    child.send(order);
    child.send({ failpoint: 'none' } satisfies FailpointMessage);
    expect(await once(child, 'message')).toEqual([TAKEN_BACK, undefined]);
    expect(await pass()).toBe('passed');
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
});
