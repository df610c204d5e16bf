import type { Context, Service, ServiceSchema, ServiceSettingSchema } from 'moleculer';
import * as Y from 'yjs';
import { declareActions } from '../lib/broker/actions.ts';
import { call } from '../lib/broker/call.ts';
import { runtimeOf, type Runtime } from '../lib/broker/runtime.ts';
import type { Folder } from '../lib/persister/folder.ts';
import { LogTrimmer } from '../lib/persister/log-trimmer.ts';
import { Persister } from '../lib/persister/persister.ts';
import { Snapshotter } from '../lib/persister/snapshotter.ts';
import type { DocumentId } from '../lib/protocol/ids.ts';
import { DEFAULT_LIMITS } from '../lib/protocol/limits.ts';
import { SnapshotPolicy } from '../lib/store/snapshot-policy.ts';
import { EpochBook, registerTopics } from '../lib/stream/epochs.ts';
import type { Stream } from '../lib/stream/port.ts';
import { documentParam } from '../lib/sync/params.ts';

interface PersisterService extends Service {
  runtime: Runtime;
  persister: Persister | undefined;
  snapshotter: Snapshotter | undefined;
  /** Only where the log does not forget by itself. */
  trimmer: LogTrimmer | undefined;
}

/** A fold may take the codec's whole time limit, and the answer its way. */
const FOLD_MARGIN_MS = 5_000;
const TRIM_SWEEP_MS = 10_000;
const PING_LIMIT_MS = 2_000;

function isDecodable(update: Uint8Array): boolean {
  try {
    Y.decodeUpdate(update);
    return true;
  } catch {
    return false; // the question was whether it can be decoded
  }
}

function remoteFolder(service: PersisterService): Folder {
  const { config, blobs } = service.runtime;
  const timeoutMs = config.codecTimeoutMs + FOLD_MARGIN_MS;
  return {
    async fold(request) {
      const answer = await call(service.broker, 'codec.documents.fold', request, { timeoutMs });
      if (!answer) return undefined;
      const { position, stateVector, blob } = answer;
      const update = blob ? await blobs.fetch(blob, timeoutMs) : answer.update!;
      return { position, stateVector, update };
    },
  };
}

function openTrimmer(runtime: Runtime, stream: Stream, persister: Persister): LogTrimmer | undefined {
  const { config, clock, topics } = runtime;
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
    sweepMs: TRIM_SWEEP_MS,
    clock,
    logger: runtime.logger.child({ service: 'persister' }),
  });
}

async function open(service: PersisterService) {
  const { config, clock, topics } = service.runtime;
  const [stream, store] = [await service.runtime.stream(), await service.runtime.store()];
  const logger = service.runtime.logger.child({ service: 'persister' });
  const known = await registerTopics({
    stream,
    store,
    specs: topics.staticTopics,
    adopt: config.adoptTopics,
  });
  const persister: Persister = new Persister({
    stream,
    store,
    topics,
    epochs: new EpochBook({ stream, store, known }),
    group: `${config.namespace}-persister`,
    classifier: {
      limits: {
        ...DEFAULT_LIMITS,
        maxMetadataBytes: config.maxMetadataBytes,
        maxUpdateBytes: config.maxUpdateBytes,
      },
      isDecodable,
    },
    delayMs: config.storeDelayMs,
    clock,
    logger,
    onStored: (touched) => snapshotter.note(touched),
  });
  const snapshotter = new Snapshotter({
    store,
    folder: remoteFolder(service),
    policy: new SnapshotPolicy(config),
    clock,
    logger,
    isAssigned: (epoch, partition) => persister.isAssigned(epoch, partition),
    sweepMs: Math.max(1_000, config.snapshotAgeMs / 4),
  });
  return { persister, snapshotter, trimmer: openTrimmer(service.runtime, stream, persister) };
}

async function answersNow({ runtime, persister }: PersisterService): Promise<boolean> {
  return persister !== undefined && (await runtime.store()).ping(PING_LIMIT_MS);
}

const schema: ServiceSchema<ServiceSettingSchema, PersisterService> = {
  name: 'persister',
  actions: declareActions<PersisterService>({
    /** Where each partition of this process stands: stored next offset and lag. */
    'positions.list': {
      repetition: 'idempotent',
      params: { $$strict: true },
      handler(this: PersisterService) {
        return this.persister!.positions();
      },
    },
    /** Makes a snapshot of a document now; tells whether one was written. */
    'snapshots.make': {
      repetition: 'idempotent',
      params: { $$strict: true, document: documentParam },
      async handler(this: PersisterService, ctx: Context<{ document: DocumentId }>) {
        return { written: await this.snapshotter!.make(ctx.params.document) };
      },
    },
    /** Records that nobody could use. */
    'quarantine.count': {
      repetition: 'idempotent',
      params: { $$strict: true },
      async handler(this: PersisterService) {
        return { count: await (await this.runtime.store()).countQuarantined() };
      },
    },
  }),
  created(this: PersisterService) {
    this.runtime = runtimeOf(this.broker);
    this.runtime.health.register('persister', async () => {
      const status = this.persister?.status();
      // Also when nothing is to be stored: a store that hangs is an outage.
      const storeOut = status?.storeOut === true || !(await answersNow(this));
      const ready = status?.consuming === true && !storeOut && status.blocked.length === 0;
      return { ready, ...status, storeOut, ...this.snapshotter?.usage() };
    });
  },
  async started(this: PersisterService) {
    const { persister, snapshotter, trimmer } = await open(this);
    this.persister = persister;
    this.snapshotter = snapshotter;
    this.trimmer = trimmer;
    await persister.start();
    snapshotter.start();
    trimmer?.start();
  },
  async stopped(this: PersisterService) {
    await this.trimmer?.stop();
    await this.persister?.stop();
    await this.snapshotter?.stop();
  },
};

export default schema;
