import { loadConfig, type Config } from '../../../lib/config.ts';
import type { Logger } from '../../../lib/log.ts';
import type { DocumentId } from '../../../lib/protocol/ids.ts';
import { createTopicResolver } from '../../../lib/stream/topic-resolver.ts';
import type { Counters } from '../engine/counters.ts';
import { MAX_UPDATE_BYTES, type Schedule } from './schedule.ts';

export const PARTITIONS = 2;
export const TENANT = 'default';
export const DOC_TOPIC = 'yjs-doc';
export const topics = createTopicResolver({ pattern: 'yjs-{channel}', partitions: PARTITIONS });

export function idOf({ roomId, docId }: { roomId: string; docId: string }): DocumentId {
  return { tenantId: TENANT, roomId, docId };
}

/** What all processes of a schedule are configured with. */
export function configOf({ setup }: Schedule): Config {
  const { ringBytes, maxQueueBytes, maxFrameBytes, tailBytes, syncCacheBytes, snapshotUpdates } = setup;
  return loadConfig(
    {},
    {
      ringBytes,
      maxQueueBytes,
      maxFrameBytes,
      maxUnacked: setup.maxUnacked,
      tailBytes,
      syncCacheBytes,
      snapshotUpdates,
      snapshotBurstMs: 0,
      maxUpdateBytes: MAX_UPDATE_BYTES,
      partitions: PARTITIONS,
      // Their buckets are filled by the real clock.
      connectionUpdatesPerSecond: 0,
      connectionBytesPerSecond: 0,
      roomUpdatesPerSecond: 0,
      roomBytesPerSecond: 0,
      connectionJoinsPerSecond: 0,
      beatIntervalMs: 3_600_000,
      beatTimeoutMs: 7_200_000,
    },
  );
}

/** Counts what is said by its phrase, and passes it on. */
export function countingLogger(counters: Counters, onLog: ((message: string) => void) | undefined): Logger {
  const say = (fields: Record<string, unknown>, message: string) => {
    counters.count(`log: ${message}`);
    onLog?.(`log: ${message} ${fields.err instanceof Error ? fields.err.message : JSON.stringify(fields)}`);
  };
  const logger: Logger = { debug: () => undefined, info: say, warn: say, error: say, child: () => logger };
  return logger;
}
