import type { Context, Service, ServiceSchema, ServiceSettingSchema } from 'moleculer';
import { declareActions } from '../lib/broker/actions.ts';
import { call } from '../lib/broker/call.ts';
import { documentActions } from '../lib/broker/document-actions.ts';
import { runtimeOf, type Runtime } from '../lib/broker/runtime.ts';
import type { Logger } from '../lib/log.ts';
import { assemblePersister, type AssembledPersister } from '../lib/persister/assemble.ts';
import type { Folder } from '../lib/persister/folder.ts';
import type { QuarantineListRequest } from '../lib/persister/quarantine-desk.ts';
import { rebuildPage, type RebuildPage } from '../lib/persister/rebuild.ts';
import { resumePartition, type ResumeRequest } from '../lib/persister/resume.ts';
import type { DocumentId } from '../lib/protocol/ids.ts';
import type { RecordPlace } from '../lib/store/operations.ts';
import { countParam, documentParam, idParam } from '../lib/sync/params.ts';

interface PersisterService extends Service {
  runtime: Runtime;
  log: Logger;
  /** Undefined until the service has started. */
  parts: AssembledPersister | undefined;
}

/** A fold may take the codec's whole time limit, and the answer its way. */
const FOLD_MARGIN_MS = 5_000;
const PING_LIMIT_MS = 2_000;
const MAX_LISTED_LOSSES = 1_000;

const placeParams = { epoch: countParam, partition: countParam, offset: countParam };

function remoteFolder(service: PersisterService): Folder {
  const { config, blobs } = service.runtime;
  const timeoutMs = config.codecTimeoutMs + FOLD_MARGIN_MS;
  return {
    async fold(request) {
      const answer = await call(service.broker, 'codec.documents.fold', request, { timeoutMs });
      if (!answer) return undefined;
      const { position, stateVector, blob, rejected } = answer;
      const update = blob ? await blobs.fetch(blob, timeoutMs) : answer.update!;
      return { position, stateVector, update, ...(rejected ? { rejected } : {}) };
    },
  };
}

interface RebuildParams {
  document?: DocumentId;
  tenantId?: string;
  roomId?: string;
  after?: number;
  limit: number;
}

async function rebuild(
  { runtime, parts, log }: PersisterService,
  { document, after, ...query }: RebuildParams,
): Promise<RebuildPage> {
  const { config, clock } = runtime;
  const store = await runtime.store();
  const { snapshotter } = parts!;
  if (document) {
    const found = await store.findStored(document);
    const at = found && { document, epoch: found.epoch, partition: found.partition };
    const outcome = at ? await snapshotter.rebuild(at) : 'skipped';
    return { rebuilt: Number(outcome === 'rebuilt'), skipped: Number(outcome === 'skipped'), failed: [] };
  }
  return rebuildPage(
    { store, rebuild: (at) => snapshotter.rebuild(at), clock, logger: log },
    { ...query, ...(after === undefined ? {} : { afterId: after }), budgetMs: config.requestTimeoutMs / 4 },
  );
}

async function answersNow({ runtime, parts }: PersisterService): Promise<boolean> {
  return parts !== undefined && (await runtime.store()).ping(PING_LIMIT_MS);
}

const schema: ServiceSchema<ServiceSettingSchema, PersisterService> = {
  name: 'persister',
  // It has the log and the store: no other process is needed for operations on documents.
  mixins: [documentActions as ServiceSchema],
  actions: declareActions<PersisterService>({
    /** Where each partition of this process stands: stored next offset and lag. */
    'positions.list': {
      repetition: 'idempotent',
      params: { $$strict: true },
      handler(this: PersisterService) {
        return this.parts!.persister.positions();
      },
    },
    /** Makes a snapshot of a document now; tells whether one was written. */
    'snapshots.make': {
      repetition: 'idempotent',
      params: { $$strict: true, document: documentParam },
      async handler(this: PersisterService, ctx: Context<{ document: DocumentId }>) {
        return { written: await this.parts!.snapshotter.make(ctx.params.document) };
      },
    },
    /**
     * Makes snapshots anew from the rows: of one document, a room, or all, a page at a time (`next` is the `after` of
     * the next call). A second run does the same work again.
     */
    'snapshots.rebuild': {
      repetition: 'idempotent',
      params: {
        $$strict: true,
        document: { ...documentParam, optional: true },
        tenantId: { ...idParam, optional: true },
        roomId: { ...idParam, optional: true },
        after: { ...countParam, optional: true },
        limit: { type: 'number', integer: true, min: 1, max: 1000, default: 100 },
      },
      handler(this: PersisterService, ctx: Context<RebuildParams>) {
        return rebuild(this, ctx.params);
      },
    },
    /** Where partitions stand still, and what was given up so far. */
    'partitions.blocked': {
      repetition: 'idempotent',
      params: { $$strict: true },
      async handler(this: PersisterService) {
        const losses = await (await this.runtime.store()).acceptedLosses(MAX_LISTED_LOSSES);
        return { blocked: this.parts!.persister.status().blocked, losses };
      },
    },
    /** Gives up what the log no longer has, from exactly this place, and goes on at the log's beginning. */
    'partitions.resume': {
      repetition: 'idempotent',
      params: { $$strict: true, topic: { type: 'string', min: 1, max: 249 }, ...placeParams },
      async handler(this: PersisterService, ctx: Context<ResumeRequest>) {
        const [stream, store] = [await this.runtime.stream(), await this.runtime.store()];
        return resumePartition({ stream, store, epochs: this.parts!.epochs, logger: this.log }, ctx.params);
      },
    },
    /** Records that nobody could use, in pages, without their content. */
    'quarantine.list': {
      repetition: 'idempotent',
      params: {
        $$strict: true,
        document: { ...documentParam, optional: true },
        replayed: { type: 'boolean', optional: true },
        after: { type: 'object', strict: true, props: placeParams, optional: true },
        limit: { type: 'number', integer: true, min: 1, max: 1000, default: 100 },
      },
      handler(this: PersisterService, ctx: Context<QuarantineListRequest>) {
        return this.parts!.quarantine.list(ctx.params);
      },
    },
    /** Tries one of them again; it is stored at its own place if it is fine now. */
    'quarantine.replay': {
      repetition: 'idempotent',
      params: { $$strict: true, ...placeParams },
      handler(this: PersisterService, ctx: Context<RecordPlace>) {
        return this.parts!.quarantine.replay(ctx.params);
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
    this.log = this.runtime.logger.child({ service: 'persister' });
    this.runtime.health.register('persister', async () => {
      const status = this.parts?.persister.status();
      // Also when nothing is to be stored: a store that hangs is an outage.
      const storeOut = status?.storeOut === true || !(await answersNow(this));
      const ready = status?.consuming === true && !storeOut && status.blocked.length === 0;
      return {
        ready,
        ...status,
        storeOut,
        ...this.parts?.snapshotter.usage(),
        retention: this.parts?.retention.status(),
      };
    });
  },
  async started(this: PersisterService) {
    const { config, clock, topics, metrics, memory } = this.runtime;
    const [stream, store] = [await this.runtime.stream(), await this.runtime.store()];
    const folder = remoteFolder(this);
    this.parts = await assemblePersister({
      config,
      stream,
      store,
      topics,
      folder,
      clock,
      logger: this.log,
      metrics,
      memory,
    });
    const { persister, snapshotter, trimmer, retention } = this.parts;
    await persister.start();
    snapshotter.start();
    trimmer?.start();
    retention.start();
  },
  async stopped(this: PersisterService) {
    await this.parts?.retention.stop();
    await this.parts?.trimmer?.stop();
    await this.parts?.persister.stop();
    await this.parts?.snapshotter.stop();
  },
};

export default schema;
