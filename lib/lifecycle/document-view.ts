import { AppError, isAppError } from '../errors.ts';
import { classifyRecord, type ClassifierOptions } from '../persister/classify.ts';
import { documentKey, type DocumentId } from '../protocol/ids.ts';
import { addVersion, mergeRanges, type VersionRanges } from '../protocol/ranges.ts';
import type { GenerationRow, IncomingBarrier, PersistenceAdapter } from '../store/port.ts';
import type { DeliveredRecord, Stream, TopicPartition } from '../stream/port.ts';
import type { TopicResolver } from '../stream/topics.ts';
import { epochOrNone, type Epochs } from '../sync/epochs.ts';

/** What log and store together say of a document at the end of its log. */
export interface DocumentView {
  at: TopicPartition & { epoch: number };
  generation: number;
  deleted: boolean;
  /** Every barrier that counts, the newest first. */
  generations: (GenerationRow & { stored: boolean })[];
  /** Versions of the sender that was asked for, in the present generation. */
  appended: VersionRanges;
}

/** A writer, as retry keys name it. */
export interface Sender {
  senderId: string;
  userId?: string;
}

export interface DocumentReaderParts {
  stream: Pick<Stream, 'endOffset' | 'read'>;
  store: Pick<PersistenceAdapter, 'lifecycle' | 'appendedVersions'>;
  topics: Pick<TopicResolver, 'target'>;
  epochs: Epochs;
  limits: ClassifierOptions['limits'];
  /** Most of the log that is held at a time, in bytes. */
  maxReadBytes: number;
}

/** Offsets that are read at a time; halved where records are large. */
const PAGE_OFFSETS = 2_000;

/** Reads documents as an operation has to see them: nothing that is in the log may be overlooked. */
export class DocumentReader {
  readonly #parts: DocumentReaderParts;

  constructor(parts: DocumentReaderParts) {
    this.#parts = parts;
  }

  /** With a sender, also its versions. NOT_FOUND when the room's topic does not exist: then nothing was ever written. */
  async read(document: DocumentId, sender?: Sender): Promise<DocumentView> {
    const { stream, store, topics, epochs } = this.#parts;
    const at = topics.target('doc', document);
    const epoch = await epochOrNone(epochs, at.topic);
    if (epoch === undefined) throw new AppError('NOT_FOUND', { data: { topic: at.topic } });
    for (let attempt = 1; ; attempt++) {
      const endOffset = await stream.endOffset(at); // log first, store second: no record is between them
      const stored = await store.lifecycle({ document, epoch, partition: at.partition });
      const { generation, deleted, storedThrough } = stored;
      const view = new ViewBuilder({ generation, deleted, at: { ...at, epoch }, sender });
      view.addStored(stored.generations);
      try {
        const records = this.#records({ ...at, key: documentKey(document) }, storedThrough + 1, endOffset);
        for await (const record of records) view.add(record, this.#parts.limits);
      } catch (error) {
        // Stored and trimmed between the two questions: the store knows it now.
        if (attempt > 3 || !isAppError(error, 'STREAM_OFFSET_OUT_OF_RANGE')) throw error;
        continue;
      }
      const before =
        sender && view.generation === generation && storedThrough >= 0
          ? await store.appendedVersions(document, generation, {
              ...sender,
              epoch,
              throughOffset: storedThrough,
            })
          : [];
      return view.build(before);
    }
  }

  /** Page by page, so that a store that is far behind costs time and not memory. */
  async *#records(
    { key, topic, partition }: TopicPartition & { key: string },
    fromOffset: number,
    endOffset: number,
  ): AsyncIterable<DeliveredRecord> {
    const { stream, maxReadBytes: maxBytes } = this.#parts;
    let page = PAGE_OFFSETS;
    let from = fromOffset;
    while (from < endOffset) {
      const toOffset = Math.min(from + page, endOffset);
      try {
        const { records, nextOffset } = await stream.read({
          topic,
          partition,
          fromOffset: from,
          toOffset,
          maxBytes,
        });
        for (const record of records) if (record.key === key && record.offset < toOffset) yield record;
        from = Math.max(toOffset, Math.min(nextOffset, endOffset));
      } catch (error) {
        if (page === 1 || !isAppError(error, 'STORE_BEHIND')) throw error;
        page = Math.ceil(page / 4);
      }
    }
  }
}

class ViewBuilder {
  generation: number;
  readonly #at: DocumentView['at'];
  readonly #sender: Sender | undefined;
  readonly #generations: DocumentView['generations'] = [];
  #deleted: boolean;
  #appended: VersionRanges = [];

  constructor(start: {
    generation: number;
    deleted: boolean;
    at: DocumentView['at'];
    sender: Sender | undefined;
  }) {
    this.generation = start.generation;
    this.#deleted = start.deleted;
    this.#at = start.at;
    this.#sender = start.sender;
  }

  addStored(rows: readonly GenerationRow[]): void {
    this.#generations.push(...rows.map((row) => ({ ...row, stored: true })));
  }

  add(record: DeliveredRecord, limits: ClassifierOptions['limits']): void {
    // Whether an update can be decoded is of no interest here, and costs.
    const found = classifyRecord(record, { limits, isDecodable: () => true });
    if (found?.kind === 'barrier') this.#begin(found);
    if (found?.kind !== 'update' || this.#deleted) return;
    if (found.senderId !== this.#sender?.senderId || found.userId !== this.#sender.userId) return;
    if (found.generation === this.generation) addVersion(this.#appended, found.clientVersion);
  }

  build(before: VersionRanges): DocumentView {
    return {
      at: this.#at,
      generation: this.generation,
      deleted: this.#deleted,
      generations: this.#generations,
      appended: mergeRanges(before, this.#appended),
    };
  }

  #begin({ generation, reason, offset, origin }: IncomingBarrier): void {
    if (generation <= this.generation) return;
    this.generation = generation;
    this.#deleted = reason === 'deleted';
    this.#appended = [];
    const { epoch, partition } = this.#at;
    this.#generations.unshift({ generation, reason, epoch, partition, offset, ...origin, stored: false });
  }
}
