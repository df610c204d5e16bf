import { execFileSync } from 'node:child_process';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { systemClock } from '../../../lib/clock.ts';
import { LogFile } from '../../../lib/stream/embedded/log-file.ts';
import { LogThread } from '../../../lib/stream/embedded/log-thread.ts';
import { packRecords, rowOf } from '../../../lib/stream/embedded/packed-records.ts';
import { LogFolder, recordOf } from './log-folder.ts';

let folder: LogFolder;

beforeEach(() => {
  folder = new LogFolder();
});

afterEach(() => folder.remove());

/** By a process of its own: a descriptor that is closed in this one takes the lock of an open log with it. */
const copy = (from: string, to: string) => execFileSync('cp', [from, to]);

const lastOffsets = (log: LogFile) => log.topics()[0]!.partitions.map(({ lastOffset }) => lastOffset);

it('what a log that is opened again shows is in the file itself: the WAL may never have reached the disk', async () => {
  const thread = await LogThread.open({ file: folder.file, newClusterId: 'cluster' }, { clock: systemClock });
  const [topic] = await thread.insertTopics([{ name: 't', topicId: 'i', kind: 'doc', partitions: 1 }]);
  const row = rowOf(topic!.partitions[0]!.id, { ...recordOf('a'), offset: 0, timestampMs: 0 });
  await thread.commit({ reservations: [], records: packRecords([row]) });
  const [crashed, read] = [`${folder.file}.crashed`, `${folder.file}.read`];
  copy(folder.file, crashed);
  copy(`${folder.file}-wal`, `${crashed}-wal`);
  await thread.close();

  const again = LogFile.reopen(crashed, 'cluster');
  expect(lastOffsets(again)).toEqual([0]);
  copy(crashed, read);
  again.close();
  const withoutWal = LogFile.open(read, () => 'another');
  expect(lastOffsets(withoutWal)).toEqual([0]);
  withoutWal.close();
});
