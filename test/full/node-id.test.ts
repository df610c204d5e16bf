import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { ServiceProcess } from '../../scripts/lib/service-process.ts';
import { waitFor } from '../support/wait.ts';

// Processes start and end; every wait inside has a deadline of its own.
jest.setTimeout(900_000);

const BUSY_MS = 180_000;
const running: ServiceProcess[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((process) => process.end('SIGKILL')));
});

/** Processes of one service under one node id, each on the same Kafka and PostgreSQL. */
function sameId() {
  const namespace = `test-${randomBytes(4).toString('hex')}`;
  const { PATH = '', HOME = '', KAFKA_BROKERS = '', DATABASE_URL = '' } = process.env;
  const env = {
    PATH,
    HOME,
    KAFKA_BROKERS,
    DATABASE_URL,
    YKAFKA_MODE: 'cluster',
    YKAFKA_NAMESPACE: namespace,
    YKAFKA_NODE_ID: 'codec-1',
    YKAFKA_TOPIC_PATTERN: `${namespace}-{channel}`,
    PARTITIONS: '1',
  };
  return (name: string) => {
    const exits: { code: number | null }[] = [];
    const made = new ServiceProcess({
      name,
      services: ['codec'],
      env,
      onDeath: (_, state) => exits.push(state),
    });
    running.push(made);
    return Object.assign(made, { exits });
  };
}

const said = (process: ServiceProcess) => process.lines.join('\n');
/** Errors, but that a process leaves: one to which the other one answers late has started by then. */
const errorsOf = (process: ServiceProcess) =>
  process.lines.filter((line) => /"level":(50|60)/.test(line) && !line.includes('the process leaves'));

describe('two processes with one node id', () => {
  it('the second ends with a clear message, the first notices nothing; after a kill the id is free', async () => {
    const make = sameId();
    const first = make('first');
    first.start();
    await first.waitUntilReady();

    const second = make('second');
    second.start();
    await waitFor(() => second.exits.length > 0, { timeoutMs: BUSY_MS });
    expect(second.exits).toEqual([{ code: 1, signal: null }]);
    expect(said(second)).toMatch(
      /Another process runs as node codec-1: instance \S+ on host \S+\. It stays;/,
    );
    expect(errorsOf(second)).toEqual([]);
    expect(first.exits).toEqual([]);
    await first.waitUntilReady();
    expect(errorsOf(first)).toEqual([]);
    // One that had started is told that it has to leave.
    const hadStarted = said(second).includes('the process leaves');
    expect(said(first)).not.toMatch(
      hadStarted ? /the process leaves/ : /another process|the process leaves/i,
    );

    await first.end('SIGKILL');
    const third = make('third');
    third.start();
    await third.waitUntilReady();
  });

  it('of two that start at the same moment one stays', async () => {
    const make = sameId();
    const both = [make('one'), make('other')];
    for (const process of both) process.start();
    await waitFor(() => both.some(({ exits }) => exits.length > 0), { timeoutMs: BUSY_MS });
    const [gone, stays] = both[0]!.exits.length > 0 ? both : both.toReversed();
    expect(gone!.exits[0]!.code).toBe(1);
    expect(said(gone!)).toContain('Another process runs as node codec-1');
    await stays!.waitUntilReady();
    expect(stays!.exits).toEqual([]);
  });

  it('one that was frozen while another took its id gets it back: the older stays', async () => {
    const make = sameId();
    const older = make('older');
    older.start();
    await older.waitUntilReady();
    older.signal('SIGSTOP');
    const newer = make('newer');
    newer.start();
    await newer.waitUntilReady();
    older.signal('SIGCONT');
    await waitFor(() => newer.exits.length > 0, { timeoutMs: BUSY_MS });
    expect(newer.exits[0]!.code).toBe(1);
    expect(said(newer)).toContain('Another process runs as node codec-1');
    await older.waitUntilReady();
    expect(older.exits).toEqual([]);
  });
});
