import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../../lib/clock.ts';
import type { EmbeddedStream, EmbeddedStreamOptions } from '../../../lib/stream/embedded.ts';
import { dyingLog, keptLines } from '../../support/dying-log.ts';
import type { LogDeath } from '../../support/dying-log-worker.ts';
import { waitFor } from '../../support/wait.ts';
import { LogFolder, recordOf } from './log-folder.ts';

const TARGET = { topic: 'doc', partition: 0 };
const SPEC = { topic: 'doc', kind: 'doc', partitions: 2 } as const;
const RESTARTS = { minDelayMs: 1, maxDelayMs: 5, maxFailures: 5, windowMs: Infinity };
const UNKNOWN = { type: 'STREAM_APPEND_FAILED', retryable: true };
const AWAY = { type: 'STREAM_UNAVAILABLE', retryable: true };
const LOST_LINE = 'error the thread of the embedded log has ended: it is started again';
const BACK_LINE = 'warn the embedded log is back';

let folder: LogFolder;

beforeEach(() => {
  folder = new LogFolder();
});

afterEach(() => folder.remove());

async function open(deaths: LogDeath[], options: Partial<EmbeddedStreamOptions> = {}) {
  const log = dyingLog(deaths);
  const stream = await folder.open({ openFile: log.openFile, restarts: RESTARTS, ...options });
  await stream.ensureTopics([SPEC]);
  return { log, stream };
}

const append = (stream: EmbeddedStream, text: string) => stream.append(TARGET, [recordOf(text)]);
const isBack = (stream: EmbeddedStream) => waitFor(() => stream.ping(), { timeoutMs: 60_000 });

/** What a follow from this offset has been given, as offset and text. */
async function follow(stream: EmbeddedStream, fromOffset: number | 'end') {
  const seen: string[] = [];
  const errors: Error[] = [];
  await stream.follow({
    ...TARGET,
    fromOffset,
    onBatch: ({ records }) =>
      void seen.push(...records.map(({ offset, value }) => `${offset} ${Buffer.from(value).toString()}`)),
    onError: (error) => void errors.push(error),
  });
  return { seen, errors };
}

describe('the thread of the log ends while records are appended', () => {
  const deaths: [string, LogDeath, boolean][] = [
    ['before they are in the file', { kind: 'commit', count: 2, when: 'before' }, false],
    ['before its answer', { kind: 'commit', count: 2, when: 'after' }, true],
    ['by an error of its own', { kind: 'commit', count: 2, when: 'after', how: 'throw' }, true],
  ];
  it.each(deaths)(
    '%s: each is answered once, and is in the log once or not at all',
    async (_, death, isIn) => {
      const { lines, logger } = keptLines();
      const { stream } = await open([death], { logger });
      const [live, behind] = [await follow(stream, 'end'), await follow(stream, 0)];
      expect(await append(stream, 'a')).toEqual([0]);
      const settled: string[] = [];
      const calls = ['b', 'c'].map((text) =>
        append(stream, text).then(
          () => settled.push(`${text} ok`),
          (error: unknown) => {
            expect(error).toMatchObject(UNKNOWN);
            settled.push(`${text} unknown`);
          },
        ),
      );
      await Promise.all(calls);
      await isBack(stream);
      expect(settled).toEqual(['b unknown', 'c unknown']);
      const next = await append(stream, 'd');
      const all = isIn ? ['0 a', '1 b', '2 c', '3 d'] : ['0 a', '1 d'];
      expect(next).toEqual([all.length - 1]);
      await waitFor(() => [live, behind].every(({ seen }) => seen.length >= all.length));
      expect([live, behind]).toEqual([
        { seen: all, errors: [] },
        { seen: all, errors: [] },
      ]);
      expect(lines).toEqual([LOST_LINE, BACK_LINE]);
      await stream.close();
      expect((await follow(await folder.open(), 0)).errors).toEqual([]);
    },
  );

  it('before its answer: readers have them before another append can come, so that a repeat is known', async () => {
    const { promise: atReturn, resolve: tellReturn } = Promise.withResolvers<string[]>();
    const { logger } = keptLines();
    // The next turn of the event loop: the first in which a client's frame can be read.
    const warn = () => void setImmediate(() => tellReturn([...seen]));
    const { stream } = await open([{ kind: 'commit', when: 'after' }], { logger: { ...logger, warn } });
    const { seen } = await follow(stream, 'end');
    await expect(append(stream, 'a')).rejects.toMatchObject(UNKNOWN);
    expect(await atReturn).toEqual(['0 a']);
  });

  it('by hanging: it is ended, and what it has not answered for is not known', async () => {
    const due: (() => void)[] = [];
    const setTimeout = (callback: () => void) => {
      due.push(callback);
      return { cancel: () => void due.splice(due.indexOf(callback) >>> 0, 1) };
    };
    const log = dyingLog([{ kind: 'commit', when: 'before', how: 'hang' }], { ...systemClock, setTimeout });
    const stream = await folder.open({ openFile: log.openFile, restarts: RESTARTS });
    await stream.ensureTopics([SPEC]);
    const hanging = expect(append(stream, 'a')).rejects.toMatchObject(UNKNOWN);
    await waitFor(() => due.length > 0);
    while (due.length > 0) due.shift()!();
    await hanging;
    await isBack(stream);
    expect(await append(stream, 'b')).toEqual([0]);
  });

  it('and nothing is asked of it: it is back before anybody notices', async () => {
    const { stream, log } = await open([{ kind: 'range', when: 'after' }]);
    await append(stream, 'a');
    await expect(stream.read({ ...TARGET, fromOffset: 0, toOffset: 1, maxBytes: 1e6 })).rejects.toMatchObject(
      AWAY,
    );
    await waitFor(() => log.opened === 2);
    await isBack(stream);
    const { records } = await stream.read({ ...TARGET, fromOffset: 0, toOffset: 1, maxBytes: 1e6 });
    expect(records).toHaveLength(1);
  });
});

describe('readers of a log whose thread ends', () => {
  it('go on where they were, with nothing left out and nothing twice', async () => {
    const { stream } = await open([
      { kind: 'range', count: 2, when: 'before' },
      { kind: 'range', count: 2, when: 'after' },
    ]);
    const records = Array.from({ length: 3500 }, (_, at) => recordOf(`${at}`));
    await stream.append(TARGET, records);
    const consumed: number[] = [];
    await stream.consume({
      group: 'g',
      topics: ['doc'],
      startOffset: async ({ partition }) => (partition === 0 ? consumed.length : 0),
      onBatch: async (batch) => {
        consumed.push(...batch.records.map(({ offset }) => offset));
        return batch.nextOffset;
      },
    });
    const { seen, errors } = await follow(stream, 0);
    await waitFor(() => seen.length >= 3500 && consumed.length >= 3500, { timeoutMs: 60_000 });
    expect(seen).toEqual(records.map((_, at) => `${at} ${at}`));
    expect(consumed).toEqual(records.map((_, at) => at));
    for (const error of errors) expect(error).toMatchObject(AWAY);
    await append(stream, 'live');
    await waitFor(() => seen.at(-1) === '3500 live' && consumed.at(-1) === 3500);
  });

  it('are told that it is away, and get no end that may be too low', async () => {
    const { stream, log } = await open([{ kind: 'commit', when: 'after' }]);
    const release = log.hold();
    await expect(append(stream, 'a')).rejects.toMatchObject(UNKNOWN);
    expect(await stream.ping()).toBe(false);
    const range = { ...TARGET, fromOffset: 0, toOffset: 1, maxBytes: 1e6 };
    await expect(stream.endOffset(TARGET)).rejects.toMatchObject(AWAY);
    await expect(stream.read(range)).rejects.toMatchObject(AWAY);
    await expect(append(stream, 'b')).rejects.toMatchObject(UNKNOWN);
    release();
    await isBack(stream);
    expect(await stream.endOffset(TARGET)).toBe(1);
    expect((await stream.read(range)).records).toHaveLength(1);
  });
});

describe('what else was under way when the thread of the log ended', () => {
  it('a topic: it is made and told once, and asked for again it is the same', async () => {
    const { stream, log } = await open([{ kind: 'insertTopics', count: 2, when: 'after' }]);
    const heard: string[] = [];
    stream.topics((topic) => heard.push(topic));
    const other = { ...SPEC, topic: 'other' };
    await expect(stream.ensureTopics([other])).rejects.toMatchObject(AWAY);
    await waitFor(() => log.opened === 2);
    await isBack(stream);
    expect(heard).toEqual(['other']);
    await stream.ensureTopics([other]);
    expect(await stream.identity('other')).toMatchObject({ topic: 'other', partitions: 2 });
    expect(heard).toEqual(['other']);
  });

  it('a trim: who reads what it has taken is told so, and gets no gap', async () => {
    const { stream } = await open([{ kind: 'trim', when: 'after' }]);
    for (const text of ['a', 'b', 'c']) await append(stream, text);
    await expect(stream.trim(TARGET, 2)).rejects.toMatchObject(AWAY);
    await isBack(stream);
    expect(await stream.startOffset(TARGET)).toBe(2);
    const range = { ...TARGET, fromOffset: 0, toOffset: 3, maxBytes: 1e6 };
    await expect(stream.read(range)).rejects.toMatchObject({ type: 'STREAM_OFFSET_OUT_OF_RANGE' });
  });

  it('droppable records: none takes the offset of a durable one that nobody knows of yet', async () => {
    const { stream, log } = await open([{ kind: 'commit', count: 2, when: 'after' }]);
    const drop = (text: string) => stream.append(TARGET, [recordOf(text)], { durability: 'droppable' });
    expect(await drop('x')).toEqual([0]);
    const { seen } = await follow(stream, 'end');
    const release = log.hold();
    await expect(append(stream, 'a')).rejects.toMatchObject(UNKNOWN);
    await expect(drop('y')).rejects.toMatchObject(UNKNOWN);
    release();
    await isBack(stream);
    expect(await drop('z')).toEqual([2]);
    expect(await append(stream, 'b')).toEqual([3]);
    await waitFor(() => seen.length >= 3);
    expect(seen).toEqual(['1 a', '2 z', '3 b']);
  });

  it('the end of the process: it closes while it waits to start again, and the file is free', async () => {
    const restarts = { ...RESTARTS, minDelayMs: 3_600_000, maxDelayMs: 3_600_000 };
    const { stream, log } = await open([{ kind: 'commit', when: 'before' }], { restarts });
    await expect(append(stream, 'a')).rejects.toMatchObject(UNKNOWN);
    await stream.close();
    expect(log.opened).toBe(1);
    expect(await append(await folder.open(), 'b')).toEqual([0]);
  });

  it('the end of the process: it closes while it is being opened, and the file is free', async () => {
    const { stream, log } = await open([{ kind: 'commit', when: 'before' }]);
    const release = log.hold();
    await expect(append(stream, 'a')).rejects.toMatchObject(UNKNOWN);
    await waitFor(() => log.opened === 2);
    const closed = stream.close();
    release();
    await closed;
    expect(await append(await folder.open(), 'b')).toEqual([0]);
  });
});
