import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { copyFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { AppError } from '../../../lib/errors.ts';
import { LogKeeper, LOG_RESTARTS } from '../../../lib/stream/embedded/log-keeper.ts';
import { LogBroken, type OpenedLog } from '../../../lib/stream/embedded/log-store.ts';
import type { EmbeddedStream } from '../../../lib/stream/embedded.ts';
import { dyingLog, keptLines } from '../../support/dying-log.ts';
import { waitFor } from '../../support/wait.ts';
import { ManualClock } from '../gateway/manual-clock.ts';
import { LogFolder, recordOf } from './log-folder.ts';

const DATA = { file: 'log.sqlite', newClusterId: 'cluster' };
const SPEC = { topic: 'doc', kind: 'doc', partitions: 1 } as const;
const TARGET = { topic: 'doc', partition: 0 };
const QUICK = { minDelayMs: 1, maxDelayMs: 5, maxFailures: 1000, windowMs: Infinity };
const LOST_LINE = 'error the thread of the embedded log has ended: it is started again';
const AGAIN_LINE = 'error the embedded log cannot be opened again';
const BACK_LINE = 'warn the embedded log is back';
const DOWN_LINE = 'error the embedded log stays down: the process must be started again';

/** What has been waiting for a promise goes on. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

/** A file that answers nothing, and is lost when the test says so. */
function fakeFile() {
  const { promise: lost, resolve } = Promise.withResolvers<LogBroken>();
  const file = {
    clusterId: 'cluster',
    topics: [],
    broken: undefined as LogBroken | undefined,
    isClosed: false,
    lost,
    insertTopics: async () => [],
    commit: async () => (file.broken ? Promise.reject(file.broken) : undefined),
    range: async () => ({ records: [], complete: true }),
    trim: async () => undefined,
    close: async () => void (file.isClosed = true),
    async lose() {
      file.broken = new LogBroken('lost');
      resolve(file.broken);
      await settle();
    },
  };
  return file satisfies OpenedLog;
}

/** A keeper under a clock that stands still; `opens` says when attempts were made, `fail` what they end with. */
async function keeperOf() {
  const clock = new ManualClock();
  const { lines, logger } = keptLines();
  const opens: number[] = [];
  const files: ReturnType<typeof fakeFile>[] = [];
  const world = { clock, lines, opens, files, fail: undefined as Error | undefined };
  const openFile = async () => {
    opens.push(clock.now());
    if (world.fail) throw world.fail;
    files.push(fakeFile());
    return files.at(-1)!;
  };
  const keeper = await LogKeeper.open({ data: DATA, openFile, clock, logger });
  const advance = async (ms: number) => {
    for (let passed = 0; passed < ms; passed += 100) {
      clock.advance(100);
      await settle();
    }
  };
  return { ...world, world, keeper, advance };
}

describe('a file of the log that is lost', () => {
  it('is opened again after a pause that grows with each failure, and ends with the first success', async () => {
    const { world, keeper, opens, files, lines, advance } = await keeperOf();
    world.fail = new AppError('STREAM_UNAVAILABLE');
    await files[0]!.lose();
    expect(keeper.broken).toMatchObject({ needsRestart: false });
    await advance(800);
    world.fail = undefined;
    await advance(20_000);
    expect(opens).toEqual([0, 100, 300, 700, 1500]);
    expect(keeper.broken).toBeUndefined();
    expect(lines).toEqual([LOST_LINE, AGAIN_LINE, AGAIN_LINE, AGAIN_LINE, BACK_LINE]);
  });

  it('again and again stays down, says why and that it needs a new start, and is asked for no more', async () => {
    const { keeper, opens, files, lines, advance } = await keeperOf();
    for (let n = 0; n < LOG_RESTARTS.maxFailures; n++) {
      expect(keeper.broken).toBeUndefined();
      await files.at(-1)!.lose();
      await advance(LOG_RESTARTS.maxDelayMs);
    }
    expect(opens).toHaveLength(LOG_RESTARTS.maxFailures);
    expect(lines.at(-1)).toBe(DOWN_LINE);
    expect(keeper.broken).toMatchObject({
      needsRestart: true,
      message: expect.stringMatching(/^The log has failed 10 times within 60 s: LogBroken: lost/),
    });
    await expect(keeper.trim(1, 1)).rejects.toBe(keeper.broken);
    const said = lines.length;
    await advance(2 * LOG_RESTARTS.windowMs);
    expect([opens.length, lines.length]).toEqual([LOG_RESTARTS.maxFailures, said]);
    await keeper.close();
  });

  it('and cannot be opened, for as long as a full disk or a lock lasts, stays down as well', async () => {
    for (const type of ['STREAM_UNAVAILABLE', 'STREAM_LOCKED'] as const) {
      const { world, keeper, opens, files, lines, advance } = await keeperOf();
      world.fail = new AppError(type, { message: 'Why.' });
      await files[0]!.lose();
      await advance(LOG_RESTARTS.windowMs);
      expect(opens).toHaveLength(LOG_RESTARTS.maxFailures);
      expect(lines.filter((line) => line === AGAIN_LINE)).toHaveLength(LOG_RESTARTS.maxFailures - 1);
      expect(keeper.broken).toMatchObject({
        needsRestart: true,
        message: expect.stringMatching(/Why\.$/),
      });
    }
  });

  it('and does not hold what was known is let go: nothing else of this process may have it open', async () => {
    const { keeper, files, advance } = await keeperOf();
    keeper.takeOver = () => Promise.reject(new AppError('STREAM_IDENTITY_CHANGED'));
    await files[0]!.lose();
    await advance(LOG_RESTARTS.minDelayMs);
    expect(files.map(({ isClosed }) => isClosed)).toEqual([true, true]);
    expect(keeper.broken).toMatchObject({ needsRestart: true });
  });

  it('now and then is opened again each time, soon: what lies behind the window does not count', async () => {
    const { keeper, opens, files, advance } = await keeperOf();
    for (let n = 0; n < 2 * LOG_RESTARTS.maxFailures; n++) {
      await files.at(-1)!.lose();
      await advance(LOG_RESTARTS.minDelayMs);
      expect(opens).toHaveLength(n + 2);
      await advance(LOG_RESTARTS.windowMs);
    }
    expect(keeper.broken).toBeUndefined();
  });
});

describe('a log whose file is another one when its thread is started again', () => {
  let folder: LogFolder;
  beforeEach(() => {
    folder = new LogFolder();
  });
  afterEach(() => folder.remove());

  /** A log with two records, whose thread dies; `change` is done to its closed file before it is opened again. */
  async function changed(change: () => void): Promise<{ stream: EmbeddedStream; lines: string[] }> {
    const first = await folder.open();
    await first.ensureTopics([SPEC]);
    await first.append(TARGET, [recordOf('a')]);
    await first.close();
    copyFileSync(folder.file, `${folder.file}.before`);
    const { lines, logger } = keptLines();
    const log = dyingLog([{ kind: 'commit', count: 2, when: 'before' }]);
    const stream = await folder.open({ openFile: log.openFile, restarts: QUICK, logger });
    await stream.append(TARGET, [recordOf('b')]);
    const release = log.hold();
    await expect(stream.append(TARGET, [recordOf('c')])).rejects.toMatchObject({
      type: 'STREAM_APPEND_FAILED',
    });
    await waitFor(() => log.opened === 2, { timeoutMs: 60_000 }); // its thread is gone
    change();
    release();
    await waitFor(() => lines.length === 3, { timeoutMs: 60_000 });
    return { stream, lines };
  }

  const remove = () => {
    for (const end of ['', '-wal', '-journal']) rmSync(`${folder.file}${end}`, { force: true });
  };
  const changes: [string, () => void, RegExp][] = [
    ['it is gone', remove, /is gone/],
    [
      'it is empty',
      () => {
        remove();
        writeFileSync(folder.file, '');
      },
      /is empty/,
    ],
    [
      'it is no log',
      () => {
        remove();
        writeFileSync(folder.file, 'something else '.repeat(1000));
      },
      /is no log/,
    ],
    [
      'it is an older copy, whose offsets would be given out again',
      () => {
        remove();
        renameSync(`${folder.file}.before`, folder.file);
      },
      /has lost records: doc\/0 ended at 1, and now at 0/,
    ],
  ];
  it.each(changes)('stays down at once and says why: %s', async (_, change, why) => {
    const { stream, lines } = await changed(change);
    expect(lines).toEqual([LOST_LINE, AGAIN_LINE, DOWN_LINE]);
    expect(await stream.ping()).toBe(false);
    const refused = await stream.append(TARGET, [recordOf('d')]).catch((error: unknown) => error);
    expect(refused).toMatchObject({ type: 'STREAM_APPEND_FAILED', cause: { needsRestart: true } });
    expect(String((refused as Error).cause)).toMatch(why);
  });

  it('stays down when a log that was made elsewhere has its place', async () => {
    const other = await folder.open({ file: `${folder.file}.other` });
    await other.ensureTopics([SPEC]);
    await other.close();
    const { stream } = await changed(() => {
      remove();
      renameSync(`${folder.file}.other`, folder.file);
    });
    const refused = await stream.append(TARGET, [recordOf('d')]).catch((error: unknown) => error);
    expect(String((refused as Error).cause)).toMatch(/has been replaced by another one/);
  });
});
