import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../../lib/clock.ts';
import { silentLogger } from '../../../lib/log.ts';
import { Appender } from '../../../lib/stream/embedded/appender.ts';
import { DroppableRing } from '../../../lib/stream/embedded/droppable-ring.ts';
import { LogFile } from '../../../lib/stream/embedded/log-file.ts';
import type { PartitionLog } from '../../../lib/stream/embedded/partition-log.ts';
import { TopicTable } from '../../../lib/stream/embedded/topic-table.ts';
import { LogFolder, recordOf } from './log-folder.ts';

let folder: LogFolder;
let file: LogFile;
let commits: number;
let failCommit: Error | undefined;
let appender: Appender;
let logs: PartitionLog[];

/** The real file, its commits counted and, for the failure that no test can cause on a disk, refused. */
beforeEach(() => {
  folder = new LogFolder();
  file = LogFile.open(folder.file, randomUUID);
  const ring = new DroppableRing();
  const table = new TopicTable({ file, ring, newId: randomUUID });
  table.ensure([{ topic: 'doc', kind: 'doc', partitions: 3 }]);
  logs = [...table.partitionsOf('doc')];
  [commits, failCommit] = [0, undefined];
  const transaction = file.transaction.bind(file);
  file.transaction = (work) => {
    commits++;
    return transaction(() => {
      const result = work();
      if (failCommit) throw failCommit;
      return result;
    });
  };
  appender = new Appender({ file, ring, clock: systemClock, logger: silentLogger, bufferBytes: 1e6 });
});

afterEach(async () => {
  file.close();
  await folder.remove();
});

describe('the appender of the embedded log', () => {
  it('makes one commit for all appends of a tick, to whatever partition', async () => {
    const calls = Array.from({ length: 50 }, (_, at) =>
      appender.append(logs[at % 3]!, [recordOf(`${at}`)], false),
    );
    await Promise.all(calls);
    expect(commits).toBe(1);
  });

  it('does not touch the disk for droppable records, but for the offsets that it sets aside', async () => {
    for (let n = 0; n < 100; n++) await appender.append(logs[0]!, [recordOf('x')], true);
    expect(commits).toBe(1);
    expect(file.lastOffset(logs[0]!.id)).toBe(-1);
    expect(file.topics()[0]!.partitions[0]!.reservedOffset).toBeGreaterThan(100);
  });

  it('takes nothing more after a failed fsync: what the kernel dropped cannot be known', async () => {
    const failure = Object.assign(new Error('disk I/O error'), { errcode: 1034 });
    failCommit = failure;
    const refused = { type: 'STREAM_APPEND_FAILED', cause: failure };
    await expect(appender.append(logs[0]!, [recordOf('a')], false)).rejects.toMatchObject(refused);
    expect(appender.isHealthy).toBe(false);
    failCommit = undefined;
    await expect(appender.append(logs[0]!, [recordOf('b')], false)).rejects.toMatchObject(refused);
    expect(logs[0]!.nextOffset).toBe(0);
  });

  it('goes on after any other failed commit, with the same offsets', async () => {
    failCommit = new Error('disk is full');
    const calls = [0, 1].map((at) => appender.append(logs[at]!, [recordOf('a')], false));
    const outcomes = await Promise.allSettled(calls);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    failCommit = undefined;
    expect(await appender.append(logs[0]!, [recordOf('b')], false)).toEqual([0]);
  });
});
