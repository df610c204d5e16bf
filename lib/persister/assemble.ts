import type { Clock } from '../clock.ts';
import type { Config } from '../config.ts';
import type { Logger } from '../log.ts';
import type { MemoryRelief } from '../memory-relief.ts';
import type { Metrics } from '../metrics.ts';
import { DEFAULT_LIMITS } from '../protocol/limits.ts';
import { findUpdateFlaw } from '../protocol/sound-update.ts';
import type { PersistenceAdapter } from '../store/port.ts';
import { SnapshotPolicy } from '../store/snapshot-policy.ts';
import { EpochBook, registerTopics } from '../stream/epochs.ts';
import type { Stream } from '../stream/port.ts';
import type { TopicResolver } from '../stream/topics.ts';
import type { Folder } from './folder.ts';
import { LogTrimmer } from './log-trimmer.ts';
import { persisterMetrics, watchPersister } from './metrics.ts';
import { Persister } from './persister.ts';
import { QuarantineDesk } from './quarantine-desk.ts';
import { RetentionWatch } from './retention-watch.ts';
import { Snapshotter } from './snapshotter.ts';

export interface PersisterSetting {
  config: Config;
  stream: Stream;
  store: PersistenceAdapter;
  topics: TopicResolver;
  folder: Folder;
  clock: Clock;
  logger: Logger;
  metrics: Metrics;
  memory?: Pick<MemoryRelief, 'note'>;
}

/** Everything that one persister process runs. */
export interface AssembledPersister {
  persister: Persister;
  snapshotter: Snapshotter;
  quarantine: QuarantineDesk;
  retention: RetentionWatch;
  /** Only where the log does not forget by itself. */
  trimmer: LogTrimmer | undefined;
  epochs: EpochBook;
}

const SWEEP_MS = 10_000;
/** An envelope is the update with metadata and headers. */
const RECORD_ROOM_BYTES = 128 * 1024;

/** Registers the topics and puts the parts together; nothing runs yet. Rejects when the log is not the store's. */
export async function assemblePersister(setting: PersisterSetting): Promise<AssembledPersister> {
  const { config, stream, store, topics, folder, clock, logger } = setting;
  const known = await registerTopics({
    stream,
    store,
    specs: topics.staticTopics,
    adopt: config.adoptTopics,
  });
  const epochs = new EpochBook({ stream, store, known });
  const classifier = {
    limits: {
      ...DEFAULT_LIMITS,
      maxMetadataBytes: config.maxMetadataBytes,
      maxUpdateBytes: config.maxUpdateBytes,
    },
    // As at the gateway's door: what would break a document of those who take it becomes no row.
    isDecodable: (update: Uint8Array) => findUpdateFlaw(update) === undefined,
  };
  const counters = persisterMetrics(setting.metrics);
  const persister: Persister = new Persister({
    stream,
    store,
    topics,
    epochs,
    group: `${config.namespace}-persister`,
    classifier,
    delayMs: config.storeDelayMs,
    metrics: counters,
    clock,
    logger,
    onStored: (touched) => snapshotter.note(touched),
  });
  const snapshotter = new Snapshotter({
    store,
    folder,
    policy: new SnapshotPolicy(config),
    clock,
    logger,
    isAssigned: (epoch, partition) => persister.isAssigned(epoch, partition),
    sweepMs: Math.max(1_000, config.snapshotAgeMs / 4),
    metrics: counters,
    onWritten: (bytes) => setting.memory?.note(bytes),
  });
  const retention = new RetentionWatch({
    stream,
    positions: () => persister.positions(),
    maxRecordBytes: config.maxUpdateBytes + RECORD_ROOM_BYTES,
    sweepMs: SWEEP_MS,
    clock,
    logger,
  });
  watchPersister(setting.metrics, { persister, retention, store });
  const quarantine = new QuarantineDesk({ store, stream, topics, classifier, logger });
  return { persister, snapshotter, quarantine, retention, epochs, trimmer: openTrimmer(setting, persister) };
}

function openTrimmer(
  { config, stream, topics, clock, logger }: PersisterSetting,
  persister: Persister,
): LogTrimmer | undefined {
  if (!stream.trim) return undefined;
  return new LogTrimmer({
    stream: {
      trim: (at, beforeOffset) => stream.trim!(at, beforeOffset),
      startOffset: (at) => stream.startOffset(at),
      endOffset: (at) => stream.endOffset(at),
    },
    stored: () => persister.positions(),
    controlTopic: topics.controlTopic,
    keepRecords: config.embeddedTailRecords,
    sweepMs: SWEEP_MS,
    clock,
    logger,
  });
}
