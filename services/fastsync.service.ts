import type { Context, Service, ServiceSchema, ServiceSettingSchema } from 'moleculer';
import { declareActions } from '../lib/broker/actions.ts';
import { runtimeOf, type Runtime } from '../lib/broker/runtime.ts';
import { createCodecPool } from '../lib/codec/pool.ts';
import type { Codec } from '../lib/codec/port.ts';
import { shareCodec } from '../lib/codec/shared.ts';
import { ControlFollow } from '../lib/lifecycle/control-follow.ts';
import { documentKey } from '../lib/protocol/ids.ts';
import { createSyncSource, type JoinSource } from '../lib/sync/join.ts';
import { bytesParam, documentParam, idParam, positionParam } from '../lib/sync/params.ts';
import type { SyncRequest } from '../lib/sync/port.ts';
import type { RemoteSyncAnswer } from '../lib/sync/remote.ts';
import { toRemoteAnswer } from '../lib/sync/wire.ts';
import { EpochBook } from '../lib/stream/epochs.ts';

/** Documents whose computation may wait, for each that is computed. */
const WAITING_FOR_EACH = 32;

interface FastsyncService extends Service {
  runtime: Runtime;
  documentCodec: Codec;
  source: JoinSource | undefined;
  changes: ControlFollow | undefined;
}

async function openSource(runtime: Runtime, codec: Codec): Promise<JoinSource> {
  const { config, clock, topics } = runtime;
  const [stream, store] = [await runtime.stream(), await runtime.store()];
  return createSyncSource({
    stream,
    store,
    topics,
    codec,
    clock,
    epochs: new EpochBook({ stream, store }),
    limits: {
      tailBytes: config.tailBytes,
      cacheBytes: config.syncCacheBytes,
      joinConcurrency: config.joinConcurrency,
      maxWaiting: config.joinConcurrency * WAITING_FOR_EACH,
      maxWaitMs: config.joinTimeoutMs,
      maxRecentBytes: config.ringBytes,
    },
  });
}

/** What was computed before a deletion or a replacement leaves the memory at once. */
async function followChanges(runtime: Runtime, source: JoinSource): Promise<ControlFollow> {
  const { clock, logger, topics } = runtime;
  const changes = new ControlFollow({
    stream: await runtime.stream(),
    controlTopic: topics.controlTopic,
    clock,
    logger: logger.child({ part: 'fastsync' }),
    onChange: ({ document }) => source.forget(documentKey(document)),
    onGap: () => source.forget(),
  });
  await changes.start();
  return changes;
}

async function measured<T>({ clock, metrics }: Runtime, work: () => Promise<T>): Promise<T> {
  const begun = clock.now();
  const answers = metrics.counter('sync_answers_total');
  try {
    const answer = await work();
    answers.inc({ outcome: 'ok' });
    return answer;
  } catch (error) {
    answers.inc({ outcome: 'failed' });
    throw error;
  } finally {
    metrics.histogram('sync_seconds').observe((clock.now() - begun) / 1_000);
  }
}

const schema: ServiceSchema<ServiceSettingSchema, FastsyncService> = {
  name: 'fastsync',
  actions: declareActions<FastsyncService>({
    /** Brings a joining or returning client up to date. Changes nothing: it may be repeated. */
    'documents.join': {
      repetition: 'idempotent',
      params: {
        $$strict: true,
        document: documentParam,
        senderId: idParam,
        userId: { ...idParam, optional: true },
        heldAfter: { type: 'number', integer: true, min: -1 },
        topicId: { ...idParam, optional: true },
        heard: { ...positionParam, optional: true },
        position: { ...positionParam, optional: true },
        stateVector: { ...bytesParam, optional: true },
      },
      async handler(this: FastsyncService, ctx: Context<SyncRequest>): Promise<RemoteSyncAnswer> {
        const { blobs, config } = this.runtime;
        const answer = await measured(this.runtime, () => this.source!.join(ctx.params));
        return toRemoteAnswer(answer, { blobs, inlineBytes: config.inlineAnswerBytes });
      },
    },
  }),
  created(this: FastsyncService) {
    const runtime = runtimeOf(this.broker);
    const { config, clock, logger, metrics } = runtime;
    this.runtime = runtime;
    this.documentCodec = shareCodec(runtime, () =>
      createCodecPool({
        threads: config.codecThreads,
        maxQueue: config.codecQueue,
        timeoutMs: config.codecTimeoutMs,
        inlineBytes: config.inlineCheckBytes,
        clock,
        logger,
        metrics,
        onLargeWork: (bytes) => runtime.memory.note(bytes),
      }),
    );
    metrics.watch('sync_cache_bytes', () => this.source?.usage().cachedBytes);
    runtime.health.register('fastsync', () => ({
      ready: this.source !== undefined,
      ...this.source?.usage(),
    }));
  },
  async started(this: FastsyncService) {
    const source = await openSource(this.runtime, this.documentCodec);
    this.changes = await followChanges(this.runtime, source);
    this.source = source;
  },
  async stopped(this: FastsyncService) {
    await this.changes?.stop();
    this.source = undefined;
    await this.documentCodec.close();
  },
};

export default schema;
