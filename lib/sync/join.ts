import type { Clock } from '../clock.ts';
import { EMPTY_STATE_VECTOR, EMPTY_UPDATE } from '../codec/documents.ts';
import { Limiter } from '../codec/limiter.ts';
import type { Codec } from '../codec/port.ts';
import { AppError, isAppError, type AppErrorType } from '../errors.ts';
import { failpoint } from '../failpoints.ts';
import type { DocumentId, DocumentKey } from '../protocol/ids.ts';
import type { PersistenceAdapter } from '../store/port.ts';
import type { Stream } from '../stream/port.ts';
import type { TopicResolver } from '../stream/topics.ts';
import { answerFrom, serves } from './answer.ts';
import { computeState } from './compute.ts';
import type { DocumentState } from './document-state.ts';
import { epochOrNone, type Epochs } from './epochs.ts';
import type { SyncAnswer, SyncRequest, SyncSource } from './port.ts';
import { DocumentStates } from './states.ts';
import { TailReader } from './tail.ts';

export interface SyncLimits {
  /** Most of a partition's log that is read behind the store. */
  tailBytes: number;
  cacheBytes: number;
  /** States that are computed at a time. */
  joinConcurrency: number;
  /** Documents whose computation may wait, and how long; then SERVICE_UNAVAILABLE. */
  maxWaiting: number;
  maxWaitMs: number;
  /** Raw updates that a cached state remembers to answer a resume without the store. */
  maxRecentBytes: number;
}

export interface SyncSourceOptions {
  stream: Pick<Stream, 'endOffset' | 'read'>;
  store: Pick<PersistenceAdapter, 'load' | 'appendedVersions' | 'findStored'>;
  topics: Pick<TopicResolver, 'target' | 'staticTopics'>;
  epochs: Epochs;
  codec: Codec;
  clock: Clock;
  limits: SyncLimits;
}

export interface JoinSource extends SyncSource {
  /** A barrier has come: what was computed before it goes from memory. Without a key: one may have come anywhere. */
  forget(key?: DocumentKey): void;
  /** What is cached and computed now, for health and logs. */
  usage(): { cachedBytes: number; cachedDocuments: number; computing: number; waiting: number };
}

/** Epoch of an answer for a room whose topic does not exist: a join makes no topics, and only they have epochs. */
export const NO_EPOCH = 0;

/** After these the topic may have been made again: its epoch is asked for anew. */
const SAYS_OTHER_TOPIC: readonly AppErrorType[] = [
  'STREAM_IDENTITY_CHANGED',
  'STREAM_OFFSET_OUT_OF_RANGE',
  'STREAM_TOPIC_MISSING',
];

/** Answers joins and resumes from the store and the tail of the log (design rules 6, 7, 9 and 14). */
export function createSyncSource(options: SyncSourceOptions): JoinSource {
  const { stream, store, topics, epochs, codec, clock, limits } = options;
  const { joinConcurrency, maxWaiting, maxWaitMs, maxRecentBytes } = limits;
  const tail = new TailReader(stream, limits.tailBytes);
  const overloaded = () => new AppError('SERVICE_UNAVAILABLE', { message: 'Too many joins are waiting.' });
  const limiter = new Limiter({ concurrency: joinConcurrency, maxWaiting, maxWaitMs, clock, overloaded });
  const parts = { stream, store, tail, codec, maxRecentBytes };

  async function compute(document: DocumentId, known: DocumentState | undefined): Promise<DocumentState> {
    const at = topics.target('doc', document);
    const epoch = await epochOrNone(epochs, at.topic);
    if (epoch === undefined) {
      if (await wasWritten(document, at.topic))
        throw new AppError('STREAM_TOPIC_MISSING', { data: { topic: at.topic } });
      return unwritten(at.partition);
    }
    try {
      return await computeState(parts, { document, at, epoch, known });
    } catch (error) {
      if (SAYS_OTHER_TOPIC.some((type) => isAppError(error, type))) epochs.forget(at.topic);
      throw error;
    }
  }
  /** A missing topic that was there: the document must not look like one that nobody has ever written to. */
  async function wasWritten(document: DocumentId, topic: string): Promise<boolean> {
    if (topics.staticTopics.some((fixed) => fixed.topic === topic)) return true;
    return (await store.findStored(document)) !== undefined;
  }
  // Without an epoch an answer is good for this moment only: the topic may be made at any time.
  const isKept = (state: DocumentState) => state.position.epoch !== NO_EPOCH;
  const states = new DocumentStates({ cacheBytes: limits.cacheBytes, limiter, compute, isKept });

  return {
    async join(request: SyncRequest): Promise<SyncAnswer> {
      failpoint('join:before');
      const { topic } = topics.target('doc', request.document);
      const epoch = (await epochOrNone(epochs, topic, request.topicId)) ?? NO_EPOCH;
      const state = await states.get(
        request.document,
        (candidate) => candidate.position.epoch === epoch && serves(candidate, request),
      );
      if (epoch !== NO_EPOCH && state.position.epoch !== epoch)
        throw new AppError('STREAM_UNAVAILABLE', { data: { topic, epoch } });
      // The gateway has read further than the log said it goes: an answer now would leave a gap.
      if (request.heldAfter > state.position.offset) {
        throw new AppError('STREAM_UNAVAILABLE', { data: { endOffset: state.position.offset + 1 } });
      }
      const answer = await answerFrom({ store, codec }, state, request);
      failpoint('join:after');
      return answer;
    },
    forget: (key) => states.forget(key),
    usage: () => ({
      cachedBytes: states.cachedBytes,
      cachedDocuments: states.cachedDocuments,
      computing: limiter.running,
      waiting: limiter.waiting,
    }),
  };
}

/** A room that nobody has written to. */
function unwritten(partition: number): DocumentState {
  return {
    position: { generation: 1, epoch: NO_EPOCH, partition, offset: -1 },
    deleted: false,
    update: EMPTY_UPDATE,
    stateVector: EMPTY_STATE_VECTOR,
    storedThrough: -1,
    tailVersions: new Map(),
    storedVersions: new Map(),
    recent: [],
    recentAfter: -1,
  };
}
