import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../../lib/clock.ts';
import type { EmbeddedStreamOptions } from '../../../lib/stream/embedded.ts';
import { dyingLog, keptLines } from '../../support/dying-log.ts';
import type { LogDeath } from '../../support/dying-log-worker.ts';
import {
  append,
  AWAY,
  BACK_LINE,
  follow,
  isBack,
  LOST_LINE,
  openDying,
  RESTARTS,
  SPEC,
  TARGET,
  UNKNOWN,
  until,
} from './dying-stream.ts';
import { LogFolder, recordOf } from './log-folder.ts';

let folder: LogFolder;

beforeEach(() => {
  folder = new LogFolder();
});

afterEach(() => folder.remove());

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
      const { stream } = await openDying(folder, [death], { logger });
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
      await until(() => [live, behind].every(({ seen }) => seen.length >= all.length));
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
    const { stream } = await openDying(folder, [{ kind: 'commit', when: 'after' }], {
      logger: { ...logger, warn },
    });
    const { seen } = await follow(stream, 'end');
    await expect(append(stream, 'a')).rejects.toMatchObject(UNKNOWN);
    expect(await atReturn).toEqual(['0 a']);
  });

  it('before its answer: what is sent again up to its return is refused, and is not there twice', async () => {
    const log = dyingLog([{ kind: 'commit', when: 'after' }]);
    const { promise: again, resolve: tellAgain } = Promise.withResolvers<unknown>();
    const openFile: EmbeddedStreamOptions['openFile'] = async (data) => {
      const file = await log.openFile(data);
      const range = file.range.bind(file);
      if (log.opened === 2)
        file.range = async (...asked) => {
          const found = await range(...asked);
          // The last moment: what it has found is delivered now.
          tellAgain(append(stream, 'a').catch((error: unknown) => error));
          return found;
        };
      return file;
    };
    const stream = await folder.open({ openFile, restarts: RESTARTS });
    await stream.ensureTopics([SPEC]);
    const { seen } = await follow(stream, 'end');
    await expect(append(stream, 'a')).rejects.toMatchObject(UNKNOWN);
    expect(await again).toMatchObject(UNKNOWN);
    await isBack(stream);
    expect(await append(stream, 'b')).toEqual([1]);
    await until(() => seen.length >= 2);
    expect(seen).toEqual(['0 a', '1 b']);
  });

  it('and once more while it is looked at what is in the file: it is begun again', async () => {
    const { lines, logger } = keptLines();
    const { stream } = await openDying(
      folder,
      [
        { kind: 'commit', when: 'after' },
        { kind: 'range', when: 'before' },
      ],
      { logger },
    );
    const { seen } = await follow(stream, 'end');
    await expect(append(stream, 'a')).rejects.toMatchObject(UNKNOWN);
    await isBack(stream);
    expect(await append(stream, 'b')).toEqual([1]);
    await until(() => seen.length >= 2);
    expect(seen).toEqual(['0 a', '1 b']);
    expect(lines).toEqual([LOST_LINE, 'error the embedded log cannot be opened again', BACK_LINE]);
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
    await until(() => due.length > 0);
    while (due.length > 0) due.shift()!();
    await hanging;
    await isBack(stream);
    expect(await append(stream, 'b')).toEqual([0]);
  });

  it('and nothing is asked of it: it is back before anybody notices', async () => {
    const { stream, log } = await openDying(folder, [{ kind: 'range', when: 'after' }]);
    await append(stream, 'a');
    await expect(stream.read({ ...TARGET, fromOffset: 0, toOffset: 1, maxBytes: 1e6 })).rejects.toMatchObject(
      AWAY,
    );
    await until(() => log.opened === 2);
    await isBack(stream);
    const { records } = await stream.read({ ...TARGET, fromOffset: 0, toOffset: 1, maxBytes: 1e6 });
    expect(records).toHaveLength(1);
  });
});

describe('readers of a log whose thread ends', () => {
  it('go on where they were, with nothing left out and nothing twice', async () => {
    const { stream } = await openDying(folder, [
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
    await until(() => seen.length >= 3500 && consumed.length >= 3500);
    expect(seen).toEqual(records.map((_, at) => `${at} ${at}`));
    expect(consumed).toEqual(records.map((_, at) => at));
    for (const error of errors) expect(error).toMatchObject(AWAY);
    await append(stream, 'live');
    await until(() => seen.at(-1) === '3500 live' && consumed.at(-1) === 3500);
  });

  it('are told that it is away, and get no bounds that may be too low', async () => {
    const { stream, log } = await openDying(folder, [{ kind: 'commit', when: 'after' }]);
    const release = log.hold();
    await expect(append(stream, 'a')).rejects.toMatchObject(UNKNOWN);
    expect(await stream.ping()).toBe(false);
    const range = { ...TARGET, fromOffset: 0, toOffset: 1, maxBytes: 1e6 };
    await expect(stream.endOffset(TARGET)).rejects.toMatchObject(AWAY);
    await expect(stream.startOffset(TARGET)).rejects.toMatchObject(AWAY);
    await expect(stream.read(range)).rejects.toMatchObject(AWAY);
    await expect(append(stream, 'b')).rejects.toMatchObject(UNKNOWN);
    release();
    await isBack(stream);
    expect(await stream.endOffset(TARGET)).toBe(1);
    expect((await stream.read(range)).records).toHaveLength(1);
  });
});
