import type { Context, Service, ServiceSchema, ServiceSettingSchema } from 'moleculer';
import { createCodecPool } from '../codec/pool.ts';
import type { Codec } from '../codec/port.ts';
import { AppError, isAppError } from '../errors.ts';
import { ContentRemover } from '../lifecycle/content-remover.ts';
import { DocumentOperations } from '../lifecycle/document-operations.ts';
import { DocumentReader } from '../lifecycle/document-view.ts';
import type { OperationRequest, OperationResult } from '../lifecycle/operation.ts';
import { remainsOf } from '../lifecycle/remains.ts';
import { documentKey, parseDocumentKey, type DocumentId } from '../protocol/ids.ts';
import { DEFAULT_LIMITS } from '../protocol/limits.ts';
import { EpochBook } from '../stream/epochs.ts';
import { bytesParam, countParam, documentParam, idParam } from '../sync/params.ts';
import type { BlobReference } from '../transfer/port.ts';
import { declareActions } from './actions.ts';
import { runtimeOf, type Runtime } from './runtime.ts';

interface Lifecycle {
  operations: DocumentOperations;
  reader: DocumentReader;
  remover: ContentRemover;
  codec: Codec;
}

interface DocumentService extends Service {
  lifecycle: Lifecycle | undefined;
}

interface ReplaceParams extends OperationRequest {
  state?: Uint8Array | string;
  blob?: BlobReference;
}

const REMOVE_SWEEP_MS = 2_000;
const REMOVE_ROWS = 2_000;
/** What is fetched is held as a whole. */
const MAX_STATE_BYTES = 512 * 1024 * 1024;

const operationParams = {
  document: documentParam,
  /** Names the operation. Another call with the same key is its repetition. */
  key: idParam,
  userId: { ...idParam, optional: true },
  expectedGeneration: {
    ...countParam,
    min: 1,
    messages: {
      required:
        'Give the generation that the document has now as expectedGeneration: persister.documents.inspect tells it.',
    },
  },
};

async function open(runtime: Runtime): Promise<Lifecycle> {
  const { config, clock, topics } = runtime;
  const [stream, store] = [await runtime.stream(), await runtime.store()];
  const logger = runtime.logger.child({ part: 'lifecycle' });
  const { maxMetadataBytes, maxUpdateBytes } = config;
  const reader = new DocumentReader({
    stream,
    store,
    topics,
    epochs: new EpochBook({ stream, store }),
    limits: { ...DEFAULT_LIMITS, maxMetadataBytes, maxUpdateBytes },
    maxReadBytes: config.tailBytes,
  });
  // A pool of its own, whose thread starts with the first large state: this process seldom needs one.
  const codec = createCodecPool({
    threads: 1,
    maxQueue: config.codecQueue,
    timeoutMs: config.codecTimeoutMs,
    inlineBytes: config.inlineCheckBytes,
    clock,
    logger,
    onLargeWork: (bytes) => runtime.memory.note(bytes),
  });
  const { controlTopic } = topics;
  return {
    codec,
    reader,
    operations: new DocumentOperations({
      stream,
      reader,
      codec,
      controlTopic,
      maxUpdateBytes,
      clock,
      logger,
    }),
    remover: new ContentRemover({
      store,
      clock,
      logger,
      sweepMs: REMOVE_SWEEP_MS,
      maxRows: REMOVE_ROWS,
    }),
  };
}

/** Params are checked by length only; a document that cannot be named in the log is refused here. */
function checked(document: DocumentId): DocumentId {
  if (!parseDocumentKey(documentKey(document)))
    throw new AppError('BAD_INPUT', { data: { field: 'document' } });
  return document;
}

function opened({ lifecycle }: DocumentService): Lifecycle {
  if (!lifecycle) throw new AppError('SERVICE_UNAVAILABLE');
  return lifecycle;
}

async function stateOf({ state, blob }: ReplaceParams, runtime: Runtime): Promise<Uint8Array> {
  if ((state === undefined) === (blob === undefined))
    throw new AppError('BAD_INPUT', { message: 'Give either `state` or `blob`.', data: { field: 'state' } });
  const { requestTimeoutMs, inlineAnswerBytes } = runtime.config;
  if (blob) return runtime.blobs.fetch(blob, requestTimeoutMs);
  const bytes = typeof state === 'string' ? Buffer.from(state, 'base64') : state!;
  if (bytes.byteLength > inlineAnswerBytes)
    throw new AppError('BAD_INPUT', {
      message: 'A state of this size travels by reference: offer it, and give the `blob`.',
      data: { field: 'state', maxBytes: inlineAnswerBytes },
    });
  return bytes;
}

/**
 * A mixin: deletes, makes again and replaces documents, for whatever service has the log and the store. Operations
 * carry a key; a large state travels by reference (design rule 10), the caller offers it.
 */
export const documentActions: Partial<ServiceSchema<ServiceSettingSchema, DocumentService>> = {
  actions: declareActions<DocumentService>({
    /** The document exists no more; its content is removed from the store, a record of the deletion stays. */
    'documents.delete': {
      repetition: { key: 'key' },
      params: { $$strict: true, ...operationParams },
      handler(this: DocumentService, ctx: Context<OperationRequest>): Promise<OperationResult> {
        checked(ctx.params.document);
        return opened(this).operations.delete(ctx.params);
      },
    },
    /** A deleted document exists again, empty. */
    'documents.create': {
      repetition: { key: 'key' },
      params: { $$strict: true, ...operationParams },
      handler(this: DocumentService, ctx: Context<OperationRequest>): Promise<OperationResult> {
        checked(ctx.params.document);
        return opened(this).operations.create(ctx.params);
      },
    },
    /** The document has the given state and nothing else. A person at the REPL gives it as base64. */
    'documents.replace': {
      repetition: { key: 'key' },
      params: {
        $$strict: true,
        ...operationParams,
        state: [
          { ...bytesParam, optional: true },
          { type: 'string', base64: true, optional: true },
        ],
        blob: {
          type: 'object',
          strict: true,
          optional: true,
          props: {
            url: 'string',
            ticket: 'string',
            bytes: { ...countParam, max: MAX_STATE_BYTES },
            content: { type: 'string', optional: true },
          },
        },
      },
      async handler(this: DocumentService, ctx: Context<ReplaceParams>): Promise<OperationResult> {
        const { state: _state, blob: _blob, ...request } = ctx.params;
        checked(request.document);
        const { operations } = opened(this);
        try {
          const state = await stateOf(ctx.params, runtimeOf(this.broker));
          return await operations.replace({ ...request, state });
        } catch (error) {
          // A ticket is good for one call: that one may have done its work, and only its answer was lost.
          const isGone = isAppError(error, 'SYNC_TICKET_UNKNOWN');
          const done = isGone ? await operations.replaced(request) : undefined;
          if (done) return done;
          throw error;
        }
      },
    },
    /** The generations of a document: what began them, who and when, and what a deletion has removed. */
    'documents.inspect': {
      repetition: 'idempotent',
      params: { $$strict: true, document: documentParam },
      handler(this: DocumentService, ctx: Context<{ document: DocumentId }>) {
        return opened(this).operations.inspect(checked(ctx.params.document));
      },
    },
    /** Whether the log still holds what was deleted, and until when it may. */
    'documents.remains': {
      repetition: 'idempotent',
      params: { $$strict: true, document: documentParam },
      async handler(this: DocumentService, ctx: Context<{ document: DocumentId }>) {
        const { reader } = opened(this);
        const { stream, config } = runtimeOf(this.broker);
        const maxRecordBytes = 2 * config.maxUpdateBytes;
        return remainsOf(checked(ctx.params.document), { stream: await stream(), reader, maxRecordBytes });
      },
    },
  }),
  async started(this: DocumentService) {
    this.lifecycle = await open(runtimeOf(this.broker));
    this.lifecycle.remover.start();
  },
  async stopped(this: DocumentService) {
    const { lifecycle } = this;
    this.lifecycle = undefined;
    await lifecycle?.remover.stop();
    await lifecycle?.codec.close();
  },
};
