import type { Context, Service, ServiceSchema, ServiceSettingSchema } from 'moleculer';
import { declareActions } from '../lib/broker/actions.ts';
import { runtimeOf, type Runtime } from '../lib/broker/runtime.ts';
import { inspectEnvelope } from '../lib/codec/inspect.ts';
import { createCodecPool } from '../lib/codec/pool.ts';
import type { Codec, RenderRequest } from '../lib/codec/port.ts';
import { shareCodec } from '../lib/codec/shared.ts';
import { createStoredDocuments, type StoredDocuments } from '../lib/codec/stored-documents.ts';
import type { Epochs } from '../lib/sync/epochs.ts';
import { locate, type LocateRequest } from '../lib/sync/locate.ts';
import { bytesParam, countParam, documentParam } from '../lib/sync/params.ts';
import { EpochBook } from '../lib/stream/epochs.ts';

interface CodecService extends Service {
  runtime: Runtime;
  documentCodec: Codec;
  documents: StoredDocuments | undefined;
  findEpochs: () => Promise<Epochs>;
}

/** A stored document; epoch and partition may be left out by a person who asks. */
const reference = {
  document: documentParam,
  epoch: { ...countParam, optional: true },
  partition: { ...countParam, optional: true },
};

const at = (service: CodecService, params: LocateRequest) =>
  locate(params, { topics: service.runtime.topics, epochs: service.findEpochs });

/** Bytes that may be large leave the answer and wait to be fetched (design rule 10). */
function carried(service: CodecService, update: Uint8Array) {
  const { config, blobs } = service.runtime;
  return update.byteLength <= config.inlineAnswerBytes ? { update } : { blob: blobs.offer(update) };
}

const schema: ServiceSchema<ServiceSettingSchema, CodecService> = {
  name: 'codec',
  actions: declareActions<CodecService>({
    /** The stored state of a document at the position that the store covers; null when nothing is stored. `fromRows` leaves its snapshot out. */
    'documents.fold': {
      repetition: 'idempotent',
      params: { $$strict: true, ...reference, fromRows: { type: 'boolean', optional: true } },
      async handler(this: CodecService, ctx: Context<LocateRequest & { fromRows?: boolean }>) {
        const { fromRows = false, ...params } = ctx.params;
        const found = await this.documents!.fold({ ...(await at(this, params)), fromRows });
        if (!found) return null;
        const { update, stateVector } = found.folded;
        const rejected = found.rejected.length > 0 ? { rejected: found.rejected } : {};
        return { position: found.position, stateVector, ...carried(this, update), ...rejected };
      },
    },
    /** What a state vector lacks of the stored state. */
    'documents.diff': {
      repetition: 'idempotent',
      params: { $$strict: true, ...reference, stateVector: bytesParam },
      async handler(this: CodecService, ctx: Context<LocateRequest & { stateVector: Uint8Array }>) {
        const { stateVector, ...params } = ctx.params;
        const found = await this.documents!.diff(await at(this, params), stateVector);
        return found ? { position: found.position, ...carried(this, found.update) } : null;
      },
    },
    'documents.describe': {
      repetition: 'idempotent',
      params: { $$strict: true, ...reference },
      async handler(this: CodecService, ctx: Context<LocateRequest>) {
        return (await this.documents!.describe(await at(this, ctx.params))) ?? null;
      },
    },
    /** Whether every stored update of a document can be applied, and which cannot. */
    'documents.check': {
      repetition: 'idempotent',
      params: { $$strict: true, ...reference },
      async handler(this: CodecService, ctx: Context<LocateRequest>) {
        return (await this.documents!.check(await at(this, ctx.params))) ?? null;
      },
    },
    /** The stored state as JSON or text, for people; large ones as bytes to be fetched. */
    'documents.render': {
      repetition: 'idempotent',
      params: {
        $$strict: true,
        ...reference,
        as: { type: 'enum', values: ['json', 'text'], default: 'json' },
        root: { type: 'string', max: 1024, optional: true },
      },
      async handler(this: CodecService, ctx: Context<LocateRequest & RenderRequest>) {
        const { as, root, ...params } = ctx.params;
        const request = root === undefined ? { as } : { as, root };
        const found = await this.documents!.render(await at(this, params), request);
        if (!found) return null;
        const { position, content } = found;
        const bytes = Buffer.byteLength(content);
        if (bytes <= this.runtime.config.inlineAnswerBytes) return { position, content };
        return { position, blob: this.runtime.blobs.offer(Buffer.from(content)) };
      },
    },
    /** What an envelope's bytes say; a person at the REPL gives them as base64. */
    'envelopes.inspect': {
      repetition: 'idempotent',
      params: { $$strict: true, envelope: [bytesParam, { type: 'string', base64: true }] },
      handler(this: CodecService, ctx: Context<{ envelope: Uint8Array | string }>) {
        const { envelope } = ctx.params;
        const bytes = typeof envelope === 'string' ? Buffer.from(envelope, 'base64') : envelope;
        return inspectEnvelope(this.documentCodec, bytes);
      },
    },
  }),
  created(this: CodecService) {
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
    // The log is opened only for those who leave the epoch out.
    let epochs: Promise<Epochs> | undefined;
    this.findEpochs = () =>
      (epochs ??= Promise.all([runtime.stream(), runtime.store()]).then(
        ([stream, store]) => new EpochBook({ stream, store }),
      ));
    runtime.health.register('codec', () => ({ ready: this.documents !== undefined }));
  },
  async started(this: CodecService) {
    this.documents = createStoredDocuments(await this.runtime.store(), this.documentCodec);
  },
  async stopped(this: CodecService) {
    this.documents = undefined;
    await this.documentCodec.close();
  },
};

export default schema;
