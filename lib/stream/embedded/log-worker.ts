import { parentPort, workerData } from 'node:worker_threads';
import { LogFile } from './log-file.ts';
import {
  OPENED_ID,
  toSent,
  type LogAnswer,
  type LogOpened,
  type LogTask,
  type LogThreadData,
  type LogWorks,
} from './log-work.ts';
import { buffersOf } from './packed-records.ts';
import { openFailure } from './sqlite-errors.ts';

/* Runs in a thread of its own: one file, one piece of work after the other. */
const port = parentPort!;

function open(): LogFile | undefined {
  const { file, newClusterId, knownClusterId, maxFileBytes } = workerData as LogThreadData;
  try {
    const log =
      knownClusterId === undefined
        ? LogFile.open(file, () => newClusterId)
        : LogFile.reopen(file, knownClusterId);
    if (maxFileBytes !== undefined) log.limitBytes(maxFileBytes);
    const opened: LogOpened = { clusterId: log.clusterId, topics: log.topics() };
    say({ id: OPENED_ID, result: opened });
    return log;
  } catch (error) {
    say({ id: OPENED_ID, failure: toSent(openFailure(error, file)) });
    return undefined;
  }
}

function say(answer: LogAnswer, buffers: ArrayBuffer[] = []): void {
  port.postMessage(answer, buffers);
}

function run(log: LogFile, task: LogTask): LogWorks[LogTask['kind']]['answered'] {
  if (task.kind === 'commit') log.commit(task.asked);
  else if (task.kind === 'trim') log.trim(task.asked.partitionId, task.asked.beforeOffset);
  else if (task.kind === 'close') log.close();
  else if (task.kind === 'insertTopics') return log.insertTopics(task.asked.topics);
  else return log.range(task.asked.range, task.asked.bounds);
  return undefined;
}

const log = open();
if (log)
  port.on('message', (task: LogTask) => {
    try {
      const result = run(log, task);
      say({ id: task.id, result }, result && 'records' in result ? buffersOf(result.records) : []);
    } catch (error) {
      say({ id: task.id, failure: toSent(error) });
    }
  });
