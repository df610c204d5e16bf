import type { Clock } from '../clock.ts';
import { documentKey, type DocumentId, type DocumentKey } from '../protocol/ids.ts';
import type { TopicIdentity } from '../stream/port.ts';
import { toGenerationRow } from './memory-lifecycle.ts';
import { compare, type MemoryQuarantined } from './memory-operations.ts';
import { debtOf, insertInOrder, isAfter, type MemoryDocument } from './memory-rows.ts';
import { INAPPLICABLE, type AcceptedLoss, type RecordPlace } from './operations.ts';
import {
  hasRetryKey,
  NEW_DOCUMENT,
  planBatch,
  retryKey,
  type BatchPlan,
  type DocumentState,
  type LogPoint,
} from './plan.ts';
import type { GenerationRow, IncomingBatch } from './port.ts';

/** What the store in memory holds, and how a batch changes it. */
export class MemoryTables {
  readonly documents = new Map<DocumentKey, MemoryDocument>();
  readonly positions = new Map<string, number>();
  readonly topics: (TopicIdentity & { epoch: number })[] = [];
  /** Places that have a row. */
  readonly stored = new Set<string>();
  readonly losses: AcceptedLoss[] = [];
  readonly quarantined: MemoryQuarantined[] = [];
  readonly #clock: Pick<Clock, 'wallTime'>;
  readonly #firsts = new Map<string, LogPoint>();

  constructor(clock: Pick<Clock, 'wallTime'>) {
    this.#clock = clock;
  }

  nowMs(): number {
    return this.#clock.wallTime();
  }

  nextOffset(consumer: string, epoch: number, partition: number): number {
    return this.positions.get(`${consumer}/${epoch}/${partition}`) ?? 0;
  }

  find(document: DocumentId): MemoryDocument | undefined {
    return this.documents.get(documentKey(document));
  }

  /** Set aside by a fold, and not replayed since. */
  isAside(row: RecordPlace): boolean {
    const record = this.quarantinedAt(row);
    return record?.reason === INAPPLICABLE && record.replayedAtMs === undefined;
  }

  quarantinedAt(place: RecordPlace): MemoryQuarantined | undefined {
    return this.quarantined.find((record) => compare(record, place) === 0);
  }

  /** What the batch would change. */
  planned(batch: IncomingBatch): BatchPlan {
    const documents = new Map<DocumentKey, DocumentState>();
    for (const record of batch.records) {
      if (!record.document) continue;
      const key = documentKey(record.document);
      const state = this.documents.get(key)?.state;
      if (state) documents.set(key, state);
    }
    return planBatch(batch, { documents, firsts: this.#firsts });
  }

  apply(batch: IncomingBatch, plan: BatchPlan): void {
    const { epoch, partition } = batch;
    for (const { key, document, state, restarted, updates } of plan.changes.values()) {
      const found = this.documents.get(key) ?? this.#addDocument(key, document);
      const owedNothing = restarted || debtOf(found, this.nowMs(), this.topics) === undefined;
      if (updates > 0 && owedNothing) found.oldestBehindMs = this.nowMs();
      if (updates > 0 || restarted) Object.assign(found, { epoch, partition });
      found.state = state;
    }
    for (const { key, barrier } of plan.generations)
      this.documents.get(key)!.generations.push(toGenerationRow(barrier, { epoch, partition }));
    for (const row of plan.rows) {
      const place = `${epoch}/${partition}/${row.update.offset}`;
      if (this.stored.has(place)) continue;
      this.stored.add(place);
      const retry = hasRetryKey(row.update) ? retryKey(row.update, row.key) : undefined;
      const point = { epoch, offset: row.update.offset };
      if (retry !== undefined && !row.repeatOf) this.#firsts.set(retry, point);
      const update = { ...row.update, payload: row.update.payload.slice() };
      insertInOrder(this.documents.get(row.key)!.rows, { ...row, ...point, partition, update });
    }
    const atMs = this.nowMs();
    for (const record of plan.quarantined) this.quarantined.push({ ...record, epoch, partition, atMs });
  }

  /** Of a deleted document, before its deletion; how many. */
  removeQuarantined({ document }: MemoryDocument, deletion: GenerationRow): number {
    const key = documentKey(document);
    const isOfIt = (record: (typeof this.quarantined)[number]) =>
      record.document !== undefined && documentKey(record.document) === key && isAfter(deletion, record);
    const before = this.quarantined.length;
    const kept = this.quarantined.filter((record) => !isOfIt(record));
    this.quarantined.splice(0, before, ...kept);
    return before - kept.length;
  }

  #addDocument(key: DocumentKey, document: DocumentId): MemoryDocument {
    const found: MemoryDocument = {
      document,
      state: NEW_DOCUMENT,
      rows: [],
      snapshots: [],
      generations: [],
      epoch: 0,
      partition: 0,
      oldestBehindMs: 0,
    };
    this.documents.set(key, found);
    return found;
  }

  /** Returns its epoch. */
  addTopic(identity: TopicIdentity): number {
    const epoch = this.topics.length + 1;
    this.topics.push({ ...identity, epoch });
    return epoch;
  }
}
