import { parentPort } from 'node:worker_threads';
import { OPENED_ID, type LogOpened } from '../../lib/stream/embedded/log-work.ts';

/** The thread of a log that dies as soon as it is asked something. */
const opened: LogOpened = {
  clusterId: 'cluster',
  topics: [
    {
      name: 'doc',
      topicId: 'topic',
      kind: 'doc',
      partitions: [{ id: 1, partition: 0, startOffset: 0, reservedOffset: 0, lastOffset: -1 }],
    },
  ],
};
parentPort!.postMessage({ id: OPENED_ID, result: opened });
parentPort!.on('message', () => process.exit(7));
