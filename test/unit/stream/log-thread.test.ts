import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../../lib/clock.ts';
import { LogThread } from '../../../lib/stream/embedded/log-thread.ts';
import { packRecords, rowOf } from '../../../lib/stream/embedded/packed-records.ts';
import { LogFolder, recordOf } from './log-folder.ts';

const TARGET = { topic: 'doc', partition: 0 };
const BOUNDS = { maxRecords: 1000, maxBytes: 1e6 };

let folder: LogFolder;

const open = (newClusterId = 'cluster') =>
  LogThread.open({ file: folder.file, newClusterId }, { clock: systemClock });

beforeEach(() => {
  folder = new LogFolder();
});

afterEach(() => folder.remove());

function recordAt(offset: number, text: string) {
  return { ...recordOf(text), offset, timestampMs: 1_700_000_000_123 + offset };
}

describe('the thread of the log', () => {
  it('gives back what it was given, whatever the length of the values and the number of the partition', async () => {
    const thread = await open();
    const [topic] = await thread.insertTopics([{ name: 't', topicId: 'i', kind: 'doc', partitions: 300 }]);
    const { id } = topic!.partitions[299]!;
    const records = ['', 'é', 'x'.repeat(70_000)].map((text, at) => recordAt(at, text));
    await thread.commit({ reservations: [], records: packRecords(records.map((each) => rowOf(id, each))) });
    const range = await thread.range({ partitionId: id, from: 0, to: 10 }, BOUNDS);
    const bytes = (value: Uint8Array) => Buffer.from(value);
    expect(range.complete).toBe(true);
    expect(range.records.map((each) => ({ ...each, value: bytes(each.value) }))).toEqual(records);
    await thread.close();
  });

  it('has copies of values: one that is kept does not keep all that were read with it', async () => {
    const stream = await folder.open();
    await stream.ensureTopics([{ topic: 'doc', kind: 'doc', partitions: 1 }]);
    await stream.append(TARGET, [recordOf('a', 1000), recordOf('b', 1000)]);
    const { records } = await stream.read({ ...TARGET, fromOffset: 0, toOffset: 2, maxBytes: Infinity });
    expect(records.map(({ value }) => value.buffer.byteLength)).toEqual([1000, 1000]);
  });

  it('does its work in the order of the calls, and what was asked before the end', async () => {
    const thread = await open();
    const [topic] = await thread.insertTopics([{ name: 't', topicId: 'i', kind: 'doc', partitions: 1 }]);
    const { id } = topic!.partitions[0]!;
    const range = () => thread.range({ partitionId: id, from: 0, to: 10 }, BOUNDS);
    const commit = (offset: number) =>
      thread.commit({ reservations: [], records: packRecords([rowOf(id, recordAt(offset, 'x'))]) });
    const steps = [commit(0), commit(1), range(), thread.trim(id, 1), range(), thread.close()] as const;
    const [, , before, , after] = await Promise.all(steps);
    expect([before, after].map(({ records }) => records.map(({ offset }) => offset))).toEqual([[0, 1], [1]]);
    await expect(range()).rejects.toThrow('The log is closed.');
    const again = await open('another');
    expect(again).toMatchObject({ clusterId: 'cluster', topics: [{ partitions: [{ lastOffset: 1 }] }] });
    await again.close();
  });
});
