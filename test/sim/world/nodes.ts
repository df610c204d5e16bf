import { createInlineCodec } from '../../../lib/codec/inline.ts';
import { createStoredDocuments } from '../../../lib/codec/stored-documents.ts';
import type { Config } from '../../../lib/config.ts';
import { Gateway } from '../../../lib/gateway/gateway.ts';
import { isSound } from '../../../lib/gateway/update-check.ts';
import type { Logger } from '../../../lib/log.ts';
import { Persister } from '../../../lib/persister/persister.ts';
import { Snapshotter } from '../../../lib/persister/snapshotter.ts';
import { DEFAULT_LIMITS } from '../../../lib/protocol/limits.ts';
import { SnapshotPolicy } from '../../../lib/store/snapshot-policy.ts';
import type { MemoryStore } from '../../../lib/store/memory.ts';
import { EpochBook } from '../../../lib/stream/epochs.ts';
import type { TopicResolver } from '../../../lib/stream/topics.ts';
import type { DocumentOperations } from '../../../lib/lifecycle/document-operations.ts';
import { createSyncSource } from '../../../lib/sync/join.ts';
import type { SyncRequest, SyncSource } from '../../../lib/sync/port.ts';
import type { Counters } from '../engine/counters.ts';
import type { SimProcess } from '../engine/process.ts';
import type { Weather } from '../engine/weather.ts';
import { simCalls } from '../parts/calls.ts';
import type { SimGroup } from '../parts/group.ts';
import type { SimLog } from '../parts/log.ts';
import { simStore } from '../parts/store.ts';
import { SimStream } from '../parts/stream.ts';
import { followChanges, startLifecycle } from './lifecycle-nodes.ts';

/** What every process of a world shares: the things outside of it, and its settings. */
export interface Surroundings {
  config: Config;
  topics: TopicResolver;
  log: SimLog;
  group: SimGroup;
  store: MemoryStore;
  weather: Weather;
  counters: Counters;
  logger: Logger;
  slowCheckChance: number;
  stored: number[];
  sources: () => readonly SyncNode[];
  onCall: (request: SyncRequest) => void;
  /** Operations on documents are there, and their content is removed. */
  hasLifecycle: boolean;
  maxRecordBytes: number | undefined;
}

export interface Node {
  process: SimProcess;
}

export interface GatewayNode extends Node {
  stream: SimStream;
  gateway: Gateway | undefined;
}

export interface SyncNode extends Node {
  source: SyncSource;
}

export interface PersisterNode extends Node {
  operations: DocumentOperations | undefined;
}

const RETRY_MS = 500;
const codec = createInlineCodec();

/** A gateway process: serves as soon as the log lets it. */
export function startGateway(process: SimProcess, around: Surroundings): GatewayNode {
  const { config, topics, logger, slowCheckChance } = around;
  const stream = new SimStream({ ...around, process });
  const node: GatewayNode = { process, stream, gateway: undefined };
  const { random, clock } = process;
  const checker = {
    check: (update: Uint8Array) => {
      const result = isSound(update) ? ('sound' as const) : ('bad' as const);
      if (random.next() >= slowCheckChance) return result;
      return new Promise<typeof result>((resolve) =>
        process.after(random.next() * 100, 'checked', () => resolve(result)),
      );
    },
    close: () => Promise.resolve(),
  };
  const open = () => {
    const gateway = new Gateway({
      config,
      clock,
      logger,
      stream,
      topics,
      sync: simCalls(process, around),
      access: {
        identify: () => Promise.resolve({ ok: true, identity: { tenantId: config.tenant } }),
        mayUse: () => ({ read: true, write: true }),
      },
      checker,
      randomId: () => process.randomId(),
    });
    gateway.start().then(
      () => (node.gateway = gateway),
      () => process.after(RETRY_MS, 'start again', open),
    );
  };
  open();
  return node;
}

/** A fastsync process, with a cache of its own. */
export function startSync(process: SimProcess, around: Surroundings): SyncNode {
  const { config, topics } = around;
  const { clock } = process;
  const stream = new SimStream({ ...around, process });
  const store = simStore({ ...around, process });
  const source = createSyncSource({
    stream,
    store,
    topics,
    codec,
    clock,
    epochs: new EpochBook({ stream, store, clock, maxTopics: 8 }),
    limits: {
      tailBytes: config.tailBytes,
      cacheBytes: config.syncCacheBytes,
      joinConcurrency: config.joinConcurrency,
      maxWaiting: 1_000,
      maxWaitMs: config.joinTimeoutMs,
      maxRecentBytes: config.ringBytes,
    },
  });
  if (around.hasLifecycle) followChanges(process, { stream, source, around });
  return { process, source };
}

/** A persister process with its snapshotter. */
export function startPersister(process: SimProcess, around: Surroundings): PersisterNode {
  const { config, topics, logger } = around;
  const { clock } = process;
  const stream = new SimStream({ ...around, process });
  const store = simStore({ ...around, process });
  const epochs = new EpochBook({ stream, store, clock, maxTopics: 8 });
  const persister: Persister = new Persister({
    stream,
    store,
    topics,
    epochs,
    group: 'persister',
    classifier: { limits: DEFAULT_LIMITS, isDecodable: isSound },
    clock,
    logger,
    onStored: (touched) => snapshotter.note(touched),
  });
  const documents = createStoredDocuments(store, codec);
  const snapshotter = new Snapshotter({
    store,
    folder: {
      fold: async (request) => {
        const found = await documents.fold(request);
        if (!found) return undefined;
        const { update, stateVector } = found.folded;
        return { update, stateVector, position: found.position };
      },
    },
    policy: new SnapshotPolicy(config),
    clock,
    logger,
    isAssigned: (epoch, partition) => persister.isAssigned(epoch, partition),
    sweepMs: 2_000,
  });
  const open = () =>
    void persister.start().then(
      () => snapshotter.start(),
      () => process.after(RETRY_MS, 'start again', open),
    );
  open();
  const operations = around.hasLifecycle
    ? startLifecycle(process, { around, stream, store, epochs, codec })
    : undefined;
  return { process, operations };
}
