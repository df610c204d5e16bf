import type { Context, Service, ServiceSchema, ServiceSettingSchema } from 'moleculer';
import { declareActions } from '../lib/broker/actions.ts';
import { runtimeOf, type Runtime } from '../lib/broker/runtime.ts';
import { createCodecPool } from '../lib/codec/pool.ts';
import type { Codec } from '../lib/codec/port.ts';
import { shareCodec } from '../lib/codec/shared.ts';
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
        heard: { ...positionParam, optional: true },
        position: { ...positionParam, optional: true },
        stateVector: { ...bytesParam, optional: true },
      },
      async handler(this: FastsyncService, ctx: Context<SyncRequest>): Promise<RemoteSyncAnswer> {
        const { blobs, config } = this.runtime;
        const answer = await this.source!.join(ctx.params);
        return toRemoteAnswer(answer, { blobs, inlineBytes: config.inlineAnswerBytes });
      },
    },
  }),
  created(this: FastsyncService) {
    const runtime = runtimeOf(this.broker);
    const { config, clock, logger } = runtime;
    this.runtime = runtime;
    this.documentCodec = shareCodec(runtime, () =>
      createCodecPool({
        threads: config.codecThreads,
        maxQueue: config.codecQueue,
        timeoutMs: config.codecTimeoutMs,
        inlineBytes: config.inlineCheckBytes,
        clock,
        logger,
      }),
    );
    runtime.health.register('fastsync', () => ({
      ready: this.source !== undefined,
      ...this.source?.usage(),
    }));
  },
  async started(this: FastsyncService) {
    this.source = await openSource(this.runtime, this.documentCodec);
  },
  async stopped(this: FastsyncService) {
    this.source = undefined;
    await this.documentCodec.close();
  },
};

export default schema;
