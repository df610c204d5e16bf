import type { EmbeddedStream, EmbeddedStreamOptions } from '../../../lib/stream/embedded.ts';
import { dyingLog } from '../../support/dying-log.ts';
import type { LogDeath } from '../../support/dying-log-worker.ts';
import { waitFor } from '../../support/wait.ts';
import { recordOf, type LogFolder } from './log-folder.ts';

export const TARGET = { topic: 'doc', partition: 0 };
export const SPEC = { topic: 'doc', kind: 'doc', partitions: 2 } as const;
export const RESTARTS = { minDelayMs: 1, maxDelayMs: 5, maxFailures: 5, windowMs: Infinity };
export const UNKNOWN = { type: 'STREAM_APPEND_FAILED', retryable: true };
export const AWAY = { type: 'STREAM_UNAVAILABLE', retryable: true };
export const LOST_LINE = 'error the thread of the embedded log has ended: it is started again';
export const BACK_LINE = 'warn the embedded log is back';

/** A log with a topic, whose threads die one after the other. */
export async function openDying(
  folder: LogFolder,
  deaths: LogDeath[],
  options: Partial<EmbeddedStreamOptions> = {},
) {
  const log = dyingLog(deaths);
  const stream = await folder.open({ openFile: log.openFile, restarts: RESTARTS, ...options });
  await stream.ensureTopics([SPEC]);
  return { log, stream };
}

export const append = (stream: EmbeddedStream, text: string) => stream.append(TARGET, [recordOf(text)]);
/** Threads are started, on a machine that may be busy. */
export const until = (condition: () => unknown) => waitFor(condition, { timeoutMs: 60_000 });
export const isBack = (stream: EmbeddedStream) => until(() => stream.ping());

/** What a follow from this offset has been given, as offset and text. */
export async function follow(stream: EmbeddedStream, fromOffset: number | 'end') {
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
