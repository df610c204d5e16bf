import { pause, type Clock } from '../clock.ts';
import type { Codec } from '../codec/port.ts';
import { AppError, isAppError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { isValidId, type DocumentId } from '../protocol/ids.ts';
import type { Position } from '../protocol/position.ts';
import { hasVersion } from '../protocol/ranges.ts';
import type { GenerationRow } from '../store/port.ts';
import type { Stream } from '../stream/port.ts';
import { encodeChange } from './announcement.ts';
import type { DocumentReader, DocumentView, Sender } from './document-view.ts';
import type { OperationRequest, OperationResult, RepeatedRequest, ReplaceRequest } from './operation.ts';
import { barrierRecord, partRecord, senderOf, type Author } from './records.ts';
import { splitState } from './state-parts.ts';

export interface DocumentOperationsParts {
  stream: Pick<Stream, 'append'>;
  reader: DocumentReader;
  codec: Pick<Codec, 'check'>;
  controlTopic: string;
  /** Limit of one update, in bytes. */
  maxUpdateBytes: number;
  clock: Clock;
  logger: Logger;
}

interface Command {
  reason: GenerationRow['reason'];
  parts?: number;
  isSatisfied: (view: DocumentView) => boolean;
}

/** A state up to this size is one update; larger ones are cut. */
const PART_BYTES = 4 * 1024 * 1024;
/** Appends of one operation that may fail, or lose against another operation, before it gives up. */
const MAX_ATTEMPTS = 8;
const RETRY_MS = 50;

/**
 * Deletes, makes again and replaces documents (design rule 14): the barrier goes into the document's own partition,
 * where the order of the log decides; what it did is read back from there. Every step may be repeated: after a lost
 * answer or a crash the log is read first, and only what is missing is appended.
 */
export class DocumentOperations {
  readonly #parts: DocumentOperationsParts;

  constructor(parts: DocumentOperationsParts) {
    this.#parts = parts;
  }

  /** The document exists no more, until it is made again. Also for one that nobody has written yet. */
  async delete(request: OperationRequest): Promise<OperationResult> {
    const author = this.#author(request);
    const command: Command = { reason: 'deleted', isSatisfied: ({ deleted }) => deleted };
    return this.#finish(request.document, await this.#begin(request, author, command));
  }

  /** A deleted document exists again, empty. One that exists is left as it is. */
  async create(request: OperationRequest): Promise<OperationResult> {
    const author = this.#author(request);
    const command: Command = { reason: 'recreated', isSatisfied: ({ deleted }) => !deleted };
    return this.#finish(request.document, await this.#begin(request, author, command));
  }

  /** The document has the given state and nothing else; what it was before stays as history. Makes a deleted one again. */
  async replace(request: ReplaceRequest): Promise<OperationResult> {
    const updates = await this.#cut(request.state);
    const author = this.#author(request, request.state);
    const command: Command = { reason: 'restored', parts: updates.length, isSatisfied: () => false };
    const begun = await this.#begin(request, author, command);
    return this.#finish(request.document, await this.#fill(author, updates, begun));
  }

  /**
   * What a replacement with this key has done, for a caller that has lost the answer and whose state is gone;
   * undefined when it has not been done, or not wholly.
   */
  async replaced({ document, key }: RepeatedRequest): Promise<OperationResult | undefined> {
    const view = await this.#parts.reader.read(document);
    const own = view.generations.find((row) => row.key === key && row.reason === 'restored');
    if (own?.senderId === undefined || own.parts === undefined) return undefined;
    const { senderId, userId, parts } = own;
    const sender = senderOnly({ senderId, ...(userId === undefined ? {} : { userId }) });
    const isPresent = own.generation === view.generation;
    if (isPresent && !isComplete((await this.#parts.reader.read(document, sender)).appended, parts))
      return undefined;
    return this.#finish(document, { view, own });
  }

  /** The barriers of a document, with what is known of who wrote them; also those that are not stored yet. */
  async inspect(document: DocumentId) {
    const view = await this.#parts.reader.read(document);
    const { generation, deleted, generations } = view;
    const [last] = generations;
    const isRestored = last?.generation === generation && last.parts !== undefined;
    const { senderId, userId } = last ?? {};
    const sender =
      senderId === undefined ? undefined : senderOnly({ senderId, ...(userId ? { userId } : {}) });
    const appended = isRestored && sender ? (await this.#parts.reader.read(document, sender)).appended : [];
    const isIncomplete = isRestored && !isComplete(appended, last.parts!);
    return { generation, deleted, generations, ...(isIncomplete ? { incomplete: true as const } : {}) };
  }

  #author({ document, key, userId }: OperationRequest, content?: Uint8Array): Author {
    if (!isValidId(key)) throw new AppError('BAD_INPUT', { data: { field: 'key' } });
    const senderId = senderOf(document, key, content);
    const atMs = this.#parts.clock.wallTime();
    return { document, senderId, atMs, ...(userId === undefined ? {} : { userId }) };
  }

  async #cut(state: Uint8Array): Promise<Uint8Array[]> {
    const { codec, maxUpdateBytes } = this.#parts;
    const verdict = await codec.check(state);
    if (!verdict.ok) throw new AppError('BAD_INPUT', { data: { field: 'state', reason: verdict.reason } });
    return splitState(state, {
      partBytes: Math.min(PART_BYTES, maxUpdateBytes / 2),
      maxBytes: maxUpdateBytes,
    });
  }

  /** Until the log says that this operation has begun a generation, or that nothing is to be done. */
  async #begin(request: OperationRequest, author: Author, command: Command): Promise<Begun> {
    const { document, key, expectedGeneration } = request;
    for (let attempt = 1; ; attempt++) {
      const view = await this.#parts.reader.read(document, senderOnly(author));
      const own = view.generations.find((row) => row.key === key);
      if (own) return { view, own: this.#verified(own, author, command) };
      if (command.isSatisfied(view)) return { view };
      if (expectedGeneration !== view.generation) {
        const { generation, deleted } = view;
        throw new AppError('GENERATION_CONFLICT', { data: { expectedGeneration, generation, deleted } });
      }
      // Of two operations at once the later barrier does not raise the generation: it reads that, and is refused.
      const { reason, parts } = command;
      const generation = view.generation + 1;
      const barrier = { generation, reason, key, ...(parts === undefined ? {} : { parts }) };
      await this.#append(view, barrierRecord(author, barrier), attempt);
    }
  }

  /** A key that was used for something else is a mistake of the caller, not a repetition. */
  #verified(own: GenerationRow, { senderId }: Author, { reason, parts }: Command): GenerationRow {
    if (own.reason !== reason || own.senderId !== senderId || own.parts !== parts)
      throw new AppError('BAD_INPUT', {
        message: 'This key was used for another operation.',
        data: { field: 'key', reason: own.reason, generation: own.generation },
      });
    return own;
  }

  /** Appends what is missing of the new state, as long as its generation is the present one. */
  async #fill(author: Author, updates: readonly Uint8Array[], begun: Begun): Promise<Begun> {
    const { own } = begun;
    let { view } = begun;
    for (let attempt = 1; own && view.generation === own.generation; attempt++) {
      const missing = [...updates.keys()].filter((index) => !hasVersion(view.appended, index + 1));
      if (missing.length === 0) break;
      const { generation } = own;
      for (const index of missing) {
        const part = { generation, version: index + 1, update: updates[index]! };
        if (!(await this.#append(view, partRecord(author, part), attempt))) break;
      }
      view = await this.#parts.reader.read(author.document, senderOnly(author));
    }
    return { ...begun, view };
  }

  /** False when it is not known whether the record is in the log: then the log is read before anything else. */
  async #append(
    view: DocumentView,
    record: ReturnType<typeof barrierRecord>,
    attempt: number,
  ): Promise<boolean> {
    const { stream, clock, logger } = this.#parts;
    if (attempt > MAX_ATTEMPTS)
      throw new AppError('SERVICE_UNAVAILABLE', { message: 'The document changes all the time.' });
    try {
      const { topic, partition } = view.at;
      await stream.append({ topic, partition }, [record]);
      return true;
    } catch (error) {
      if (!isAppError(error) || !error.retryable || attempt === MAX_ATTEMPTS) throw error;
      logger.warn(
        { err: error },
        'append of an operation not known: reading the log before it is tried again',
      );
      await pause(clock, RETRY_MS * 2 ** attempt);
      return false;
    }
  }

  /** The barrier is in the log: now running processes are told, so that they need not wait for their follow. */
  async #finish(document: DocumentId, { view, own }: Begun): Promise<OperationResult> {
    const { generation, deleted, generations } = view;
    const isPresent = own?.generation === generation;
    const outcome = own ? (isPresent ? 'done' : 'superseded') : 'unchanged';
    const last = generations[0];
    if (!last) return { outcome, generation, deleted, announced: true };
    const { epoch, partition, offset } = last;
    const position = { generation, epoch, partition, offset };
    const announced = await this.#announce(document, position, deleted);
    return { outcome, generation, deleted, position, announced };
  }

  async #announce(document: DocumentId, position: Position, deleted: boolean): Promise<boolean> {
    const { stream, controlTopic, logger } = this.#parts;
    try {
      const record = encodeChange({ document, position, deleted });
      await stream.append({ topic: controlTopic, partition: 0 }, [record]);
      return true;
    } catch (error) {
      logger.warn({ err: error }, 'document change not announced');
      return false;
    }
  }
}

interface Begun {
  view: DocumentView;
  /** The barrier of this operation; absent when there was nothing to do. */
  own?: GenerationRow;
}

function isComplete(appended: DocumentView['appended'], parts: number): boolean {
  for (let version = 1; version <= parts; version++) if (!hasVersion(appended, version)) return false;
  return true;
}

function senderOnly({ senderId, userId }: Sender): Sender {
  return userId === undefined ? { senderId } : { senderId, userId };
}
