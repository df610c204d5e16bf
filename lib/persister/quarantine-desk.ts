import { AppError, isAppError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { encodeKafkaEnvelope, encodeSyncPayload } from '../protocol/envelope.ts';
import { documentKey, type DocumentId } from '../protocol/ids.ts';
import { ProtocolMessageType, SyncMessageType } from '../protocol/message-types.ts';
import type { Metadata } from '../protocol/metadata.ts';
import type { QuarantinedSummary, RecordPlace, StoreOperations } from '../store/operations.ts';
import type { IncomingUpdate } from '../store/port.ts';
import type { Stream, StreamRecord } from '../stream/port.ts';
import type { TopicResolver } from '../stream/topics.ts';
import { classifyRecord, type ClassifierOptions } from './classify.ts';

export interface QuarantineDeskParts {
  store: Pick<StoreOperations, 'listQuarantined' | 'readQuarantined' | 'replayQuarantined' | 'markReplayed'>;
  stream: Pick<Stream, 'append'>;
  topics: Pick<TopicResolver, 'target'>;
  classifier: ClassifierOptions;
  logger: Logger;
}

export interface QuarantineListRequest {
  document?: DocumentId;
  /** Those that were replayed as well. */
  replayed?: boolean;
  after?: RecordPlace;
  limit: number;
}

/** A quarantined record for people: bytes as hex, times as text, never its content. */
export interface QuarantinedItem extends RecordPlace {
  reason: string;
  documentKey?: string;
  key: string;
  bytes: number;
  head: string;
  at: string;
  replayedAt?: string;
}

/** stored: it is a row now, with payload or as a repeat of the row that has it. refused: still unusable, and why. */
export interface ReplayAnswer {
  outcome: 'stored' | 'repeat' | 'refused';
  reason?: string;
}

/** Shows what is in quarantine, and tries a record again: after an upgrade it may be fine. */
export class QuarantineDesk {
  readonly #parts: QuarantineDeskParts;

  constructor(parts: QuarantineDeskParts) {
    this.#parts = parts;
  }

  /** In the order of their places; `next` is where the following page begins, absent at the end. */
  async list(request: QuarantineListRequest): Promise<{ records: QuarantinedItem[]; next?: RecordPlace }> {
    const { document, limit, ...query } = request;
    const found = await this.#parts.store.listQuarantined({
      ...query,
      limit: limit + 1,
      ...(document ? { documentKey: documentKey(document) } : {}),
    });
    const records = found.slice(0, limit).map(toItem);
    const last = records.at(-1);
    if (found.length <= limit || !last) return { records };
    const { epoch, partition, offset } = last;
    return { records, next: { epoch, partition, offset } };
  }

  /**
   * Idempotent. The row gets the record's own place. Clients and states that are beyond that place would never see
   * it there, so a copy follows at the end of the log, with a sender of its own for this record.
   */
  async replay(place: RecordPlace): Promise<ReplayAnswer> {
    const { store, classifier, logger } = this.#parts;
    const record = await store.readQuarantined(place);
    if (!record) throw new AppError('NOT_FOUND', { data: { ...place } });
    const { key, value, headers, atMs, replayedAtMs } = record;
    if (replayedAtMs !== undefined) return { outcome: 'stored' };
    const incoming = classifyRecord({ ...place, key, value, headers, timestampMs: atMs }, classifier);
    if (incoming?.kind === 'quarantine') return { outcome: 'refused', reason: incoming.reason };
    // What a control record does depends on its place among the others, which is past.
    if (incoming?.kind !== 'update') return { outcome: 'refused', reason: 'not-an-update' };
    const answer = await this.#store(place, incoming);
    logger.info({ ...place, ...answer }, 'quarantined record replayed');
    return answer;
  }

  async #store(place: RecordPlace, update: IncomingUpdate): Promise<ReplayAnswer> {
    const { store, stream, topics } = this.#parts;
    try {
      const result = await store.replayQuarantined(place, update);
      if (result.outcome === 'refused') return result;
      // Whoever dies in between begins again here: the copy is a repeat then.
      if (!result.isRepeat)
        await stream.append(topics.target('doc', update.document), [copyOf(place, update)]);
      await store.markReplayed(place);
      return { outcome: result.isRepeat ? 'repeat' : 'stored' };
    } catch (error) {
      if (isAppError(error, 'STORE_BAD_DATA')) return { outcome: 'refused', reason: 'refused-by-store' };
      throw error;
    }
  }
}

function copyOf({ epoch, partition, offset }: RecordPlace, update: IncomingUpdate): StreamRecord {
  const { document, generation, userId, payload } = update;
  const senderId = `replay-${epoch}-${partition}-${offset}`;
  const metadata = { ...update.metadata, senderId, version: 1, generation } as Metadata;
  return {
    key: documentKey(document),
    value: encodeKafkaEnvelope(metadata, encodeSyncPayload(SyncMessageType.Update, payload)),
    headers: {
      s: senderId,
      ...(userId === undefined ? {} : { u: userId }),
      c: '1',
      g: String(generation),
      t: String(ProtocolMessageType.Sync),
    },
  };
}

function toItem({ head, atMs, replayedAtMs, ...row }: QuarantinedSummary): QuarantinedItem {
  return {
    ...row,
    head: Buffer.from(head).toString('hex'),
    at: new Date(atMs).toISOString(),
    ...(replayedAtMs === undefined ? {} : { replayedAt: new Date(replayedAtMs).toISOString() }),
  };
}
