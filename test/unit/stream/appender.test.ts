import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../../lib/clock.ts';
import { silentLogger } from '../../../lib/log.ts';
import { Appender } from '../../../lib/stream/embedded/appender.ts';
import { DroppableRing } from '../../../lib/stream/embedded/droppable-ring.ts';
import type { LogStore } from '../../../lib/stream/embedded/log-store.ts';
import { LogThread } from '../../../lib/stream/embedded/log-thread.ts';
import type { PartitionLog } from '../../../lib/stream/embedded/partition-log.ts';
import { TopicTable } from '../../../lib/stream/embedded/topic-table.ts';
import { LogFolder, recordOf } from './log-folder.ts';

let folder: LogFolder;
let file: LogStore;
let commits: number;
let failCommit: Error | undefined;
/** What the next commit waits for. */
let disk: Promise<void>;
let appender: Appender;
let logs: PartitionLog[];

/** The real file, its commits counted and, for what no test can cause on a disk, held up and refused. */
beforeEach(async () => {
  folder = new LogFolder();
  file = await LogThread.open({ file: folder.file, newClusterId: 'cluster' }, { clock: systemClock });
  const ring = new DroppableRing();
  const table = new TopicTable({ file, ring, newId: randomUUID });
  await table.ensure([{ topic: 'doc', kind: 'doc', partitions: 3 }]);
  logs = [...table.partitionsOf('doc')];
  [commits, failCommit, disk] = [0, undefined, Promise.resolve()];
  const commit: LogStore['commit'] = async (content) => {
    commits++;
    await disk;
    if (failCommit) throw failCommit;
    return file.commit(content);
  };
  appender = new Appender({
    file: { commit, broken: undefined },
    ring,
    clock: systemClock,
    logger: silentLogger,
    bufferBytes: 1e6,
  });
});

afterEach(async () => {
  await file.close();
  await folder.remove();
});

const append = (log: number, { droppable = false } = {}) =>
  appender.append(logs[log]!, [recordOf('x')], droppable);

/** What was appended before has been begun. */
const nextTick = () => new Promise((resolve) => setImmediate(resolve));

function holdDisk(): () => void {
  const { promise, resolve } = Promise.withResolvers<void>();
  disk = promise;
  return resolve;
}

async function rowsOf(log: number): Promise<number[]> {
  const range = { partitionId: logs[log]!.id, from: 0, to: 1000 };
  const { records } = await file.range(range, { maxRecords: 1000, maxBytes: 1e6 });
  return records.map(({ offset }) => offset);
}

describe('the appender of the embedded log', () => {
  it('makes one commit for all appends of a tick, to whatever partition', async () => {
    await Promise.all(Array.from({ length: 50 }, (_, at) => append(at % 3)));
    expect(commits).toBe(1);
  });

  it('commits together what came while the disk was busy, and resolves in order', async () => {
    const release = holdDisk();
    const order: string[] = [];
    const first = append(0).then((offsets) => order.push(`first ${offsets}`));
    await nextTick();
    const later: Promise<unknown>[] = [];
    for (let n = 0; n < 20; n++) {
      later.push(append(0).then((offsets) => order.push(`later ${offsets}`)));
      await nextTick();
    }
    expect([commits, order]).toEqual([1, []]);
    release();
    await Promise.all([first, ...later]);
    expect(commits).toBe(2);
    expect(order).toEqual(['first 0', ...Array.from({ length: 20 }, (_, n) => `later ${n + 1}`)]);
    expect(await rowsOf(0)).toHaveLength(21);
  });

  it('counts what the disk is busy with as waiting', async () => {
    const release = holdDisk();
    const large = appender.append(logs[0]!, [recordOf('x', 900_000)], false);
    await nextTick();
    const refused = appender.append(logs[1]!, [recordOf('x', 200_000)], false);
    await expect(refused).rejects.toMatchObject({ type: 'STREAM_BUFFER_FULL' });
    release();
    await large;
    await appender.append(logs[1]!, [recordOf('x', 200_000)], false);
  });

  it('does not touch the disk for droppable records, but for the offsets that it sets aside', async () => {
    for (let n = 0; n < 100; n++) await append(0, { droppable: true });
    expect(commits).toBe(1);
    expect(await rowsOf(0)).toEqual([]);
    await file.close();
    file = await LogThread.open({ file: folder.file, newClusterId: 'other' }, { clock: systemClock });
    expect(file.topics[0]!.partitions[0]!.reservedOffset).toBeGreaterThan(100);
  });

  it('delivers droppable records while the disk is busy with other partitions', async () => {
    await append(0, { droppable: true }); // sets offsets aside
    const release = holdDisk();
    const durable = append(1);
    await nextTick();
    expect(await append(0, { droppable: true })).toEqual([1]);
    release();
    expect(await durable).toEqual([0]);
  });

  it('gives durable and droppable records of one partition offsets in the order of their appends', async () => {
    await append(0, { droppable: true });
    const release = holdDisk();
    const settled: number[] = [];
    const calls: Promise<unknown>[] = [];
    for (const droppable of [true, false, true, true, false, true]) {
      calls.push(append(0, { droppable }).then(([offset]) => settled.push(offset!)));
      if (calls.length % 2 === 0) await nextTick();
    }
    release();
    await Promise.all(calls);
    expect(settled).toEqual([1, 2, 3, 4, 5, 6]);
    expect(await rowsOf(0)).toEqual([2, 5]);
  });

  it('takes nothing more after a failed fsync: what the kernel dropped cannot be known', async () => {
    const failure = Object.assign(new Error('disk I/O error'), { errcode: 1034 });
    failCommit = failure;
    const refused = { type: 'STREAM_APPEND_FAILED', cause: failure };
    await expect(append(0)).rejects.toMatchObject(refused);
    expect(appender.refusal).toBe(failure);
    failCommit = undefined;
    await expect(append(0)).rejects.toMatchObject(refused);
    await expect(append(0, { droppable: true })).rejects.toMatchObject(refused);
    expect(logs[0]!.nextOffset).toBe(0);
  });

  it('goes on after any other failed commit, with the same offsets', async () => {
    failCommit = new Error('disk is full');
    const outcomes = await Promise.allSettled([append(0), append(1), append(0, { droppable: true })]);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    failCommit = undefined;
    expect(await append(0)).toEqual([0]);
  });

  it('has resolved or rejected everything when it is drained', async () => {
    const release = holdDisk();
    const settled: string[] = [];
    void append(0).then(() => settled.push('busy'));
    await nextTick();
    void append(0).then(() => settled.push('waiting'));
    void append(1, { droppable: true }).then(() => settled.push('droppable'));
    const drained = appender.drain();
    release();
    await drained;
    expect(settled.sort()).toEqual(['busy', 'droppable', 'waiting']);
  });
});
