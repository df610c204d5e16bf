import { LogFile } from '../../lib/stream/embedded/log-file.ts';
import type { OpenedLog } from '../../lib/stream/embedded/log-store.ts';
import type { LogThreadData } from '../../lib/stream/embedded/log-work.ts';
import { unpackDelivered } from '../../lib/stream/embedded/packed-records.ts';

/** The real file on the event loop: a test that opens a log for each case need not start a thread for each. */
export async function openInline({ file, newClusterId, maxFileBytes }: LogThreadData): Promise<OpenedLog> {
  const log = LogFile.open(file, () => newClusterId);
  if (maxFileBytes !== undefined) log.limitBytes(maxFileBytes);
  let isOpen = true;
  return {
    clusterId: log.clusterId,
    topics: log.topics(),
    broken: undefined,
    lost: new Promise(() => undefined),
    insertTopics: async (topics) => log.insertTopics(topics),
    commit: async (commit) => log.commit(commit),
    range: async (range, bounds) => {
      const { records, complete } = log.range(range, bounds);
      return { records: unpackDelivered(records), complete };
    },
    trim: async (partitionId, beforeOffset) => log.trim(partitionId, beforeOffset),
    close: async () => {
      if (isOpen) log.close();
      isOpen = false;
    },
  };
}
