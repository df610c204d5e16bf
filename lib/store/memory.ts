import type { Clock } from '../clock.ts';
import { AppError } from '../errors.ts';
import { documentKey, type DocumentId, type DocumentKey } from '../protocol/ids.ts';
import type { Position } from '../protocol/position.ts';
import { addVersion, type VersionRanges } from '../protocol/ranges.ts';
import type { TopicIdentity } from '../stream/port.ts';
import { addRemoved, copyOf, removeOf, toGenerationRow } from './memory-lifecycle.ts';
import {
  compare,
  documentsOf,
  listOf,
  newestLosses,
  toRecord,
  type MemoryQuarantined,
} from './memory-operations.ts';
import {
  debtOf,
  insertInOrder,
  isAfter,
  isPayloadOf,
  newestOf,
  pointOf,
  toHistoryRow,
  toStoredUpdate,
  type MemoryDocument,
} from './memory-rows.ts';
import {
  hasRetryKey,
  NEW_DOCUMENT,
  planBatch,
  quarantineUpdate,
  retryKey,
  type BatchPlan,
  type DocumentState,
  type LogPoint,
} from './plan.ts';
import {
  PERSISTER_CONSUMER,
  type DocumentLifecycle,
  type GenerationRow,
  type HistoryRow,
  type IncomingBatch,
  type IncomingUpdate,
  type LoadRequest,
  type PersistenceAdapter,
  type RemovalStep,
  type SenderQuery,
  type Snapshot,
  type SnapshotDebt,
  type StoredState,
  type StoreResult,
} from './port.ts';
import {
  INAPPLICABLE,
  type AcceptedLoss,
  type DocumentQuery,
  type QuarantinedRecord,
  type QuarantinedSummary,
  type QuarantineQuery,
  type RecordPlace,
  type ReplayResult,
  type StoredDocument,
} from './operations.ts';
import { isStorableJson } from './text.ts';

/** Keeps everything in this process and nothing after it: for unit tests and simulations. */
export class MemoryStore implements PersistenceAdapter {
  readonly #clock: Pick<Clock, 'wallTime'>;
  readonly #documents = new Map<DocumentKey, MemoryDocument>();
  readonly #firsts = new Map<string, LogPoint>();
  readonly #positions = new Map<string, number>();
  readonly #topics: (TopicIdentity & { epoch: number })[] = [];
  readonly #stored = new Set<string>();
  readonly #losses: AcceptedLoss[] = [];
  readonly quarantined: MemoryQuarantined[] = [];

  constructor({ clock }: { clock: Pick<Clock, 'wallTime'> }) {
    this.#clock = clock;
  }

  async prepare(): Promise<void> {
    // there is no schema
  }

  async epochOf(identity: TopicIdentity): Promise<number> {
    const row = this.#topics.findLast(({ topic }) => topic === identity.topic);
    if (!row) return this.#addTopic(identity);
    if (row.topicId !== identity.topicId || row.clusterId !== identity.clusterId)
      throw new AppError('STREAM_IDENTITY_CHANGED', { data: { ...row } });
    if (row.partitions !== identity.partitions)
      throw new AppError('STREAM_PARTITIONS_CHANGED', { data: { ...row } });
    return row.epoch;
  }

  async adoptEpoch(identity: TopicIdentity): Promise<number> {
    const row = this.#topics.findLast(({ topic }) => topic === identity.topic);
    const isKnown =
      row?.topicId === identity.topicId &&
      row.clusterId === identity.clusterId &&
      row.partitions === identity.partitions;
    return isKnown ? row.epoch : this.#addTopic(identity);
  }

  async nextOffset(consumer: string, epoch: number, partition: number): Promise<number> {
    return this.#positions.get(`${consumer}/${epoch}/${partition}`) ?? 0;
  }

  async storeBatch(batch: IncomingBatch): Promise<StoreResult> {
    const position = `${batch.consumer}/${batch.epoch}/${batch.partition}`;
    const stored = this.#positions.get(position) ?? 0;
    if (stored !== batch.fetchOffset) return { outcome: 'moved', nextOffset: stored, touched: new Map() };
    if (batch.records.some((record) => record.kind === 'update' && !isStorableJson(record.metadata)))
      throw new AppError('STORE_BAD_DATA', { data: { sqlState: '22P05' } });
    const plan = this.#applied(batch);
    this.#positions.set(position, batch.nextOffset);
    return { outcome: 'stored', nextOffset: batch.nextOffset, touched: plan.touched };
  }

  async load({ document, epoch, partition, sinceOffset, fromRows }: LoadRequest): Promise<StoredState> {
    const found = this.#documents.get(documentKey(document));
    const state = found?.state ?? NEW_DOCUMENT;
    const isBefore = (at: { epoch: number; partition: number }) =>
      at.epoch < epoch || (at.epoch === epoch && at.partition === partition);
    const snapshot =
      sinceOffset === undefined && !fromRows
        ? newestOf(found, (candidate) => isBefore(candidate))
        : undefined;
    const start = snapshot ? pointOf(snapshot) : { epoch: -1, offset: -1 };
    const since = sinceOffset === undefined ? start : { epoch, offset: sinceOffset };
    const rows = (found?.rows ?? []).filter(
      (row) =>
        isPayloadOf(row, state.generation) && isAfter(row, since) && isBefore(row) && !this.#isAside(row),
    );
    return {
      generation: state.generation,
      generationStartOffset: state.generationStart.offset,
      deleted: state.deleted,
      ...(snapshot ? { snapshot: { ...snapshot, data: snapshot.data.slice() } } : {}),
      updates: rows.map(toStoredUpdate),
      storedThrough: (await this.nextOffset(PERSISTER_CONSUMER, epoch, partition)) - 1,
    };
  }

  async appendedVersions(
    document: DocumentId,
    generation: number,
    sender: SenderQuery,
  ): Promise<VersionRanges> {
    const end = { epoch: sender.epoch, offset: sender.throughOffset };
    const ranges: VersionRanges = [];
    const found = this.#documents.get(documentKey(document));
    if (!found || generation <= found.state.deletedGeneration) return ranges;
    for (const row of found.rows) {
      const isTheirs =
        isPayloadOf(row, generation) &&
        row.update.senderId === sender.senderId &&
        (row.update.userId ?? '') === (sender.userId ?? '');
      if (isTheirs && hasRetryKey(row.update) && !isAfter(row, end))
        addVersion(ranges, row.update.clientVersion);
    }
    return ranges;
  }

  async persistSnapshot(snapshot: Snapshot): Promise<boolean> {
    const found = await this.#findFor(snapshot);
    if (!found) return false;
    const newest = newestOf(found, () => true);
    if (newest && !isAfter(pointOf(snapshot), pointOf(newest))) return false;
    found.snapshots.push({ ...snapshot, data: snapshot.data.slice() });
    found.oldestBehindMs = this.#clock.wallTime();
    return true;
  }

  async replaceSnapshots(snapshot: Snapshot): Promise<boolean> {
    const found = await this.#findFor(snapshot);
    if (!found) return false;
    found.snapshots.splice(0, Infinity, { ...snapshot, data: snapshot.data.slice() });
    found.oldestBehindMs = this.#clock.wallTime();
    return true;
  }

  async #findFor(snapshot: Snapshot): Promise<MemoryDocument | undefined> {
    const found = this.#documents.get(documentKey(snapshot.document));
    const { epoch, partition, throughOffset } = snapshot;
    if (!found || snapshot.generation !== found.state.generation || found.state.deleted) return undefined;
    if (isAfter(found.state.generationStart, pointOf(snapshot))) return undefined;
    const stored = await this.nextOffset(PERSISTER_CONSUMER, epoch, partition);
    return throughOffset >= stored ? undefined : found;
  }

  async snapshotDebts(limit: number): Promise<SnapshotDebt[]> {
    return [...this.#documents.values()]
      .map((found) => debtOf(found, this.#clock.wallTime(), this.#topics))
      .filter((debt) => debt !== undefined)
      .sort((a, b) => b.ageMs - a.ageMs)
      .slice(0, limit);
  }

  async snapshotDebt(document: DocumentId): Promise<SnapshotDebt | undefined> {
    const found = this.#documents.get(documentKey(document));
    return found && debtOf(found, this.#clock.wallTime(), this.#topics);
  }

  async *exportHistory(document: DocumentId, since?: Position): AsyncIterable<HistoryRow> {
    const found = this.#documents.get(documentKey(document));
    const generation = since?.generation ?? found?.state.generation;
    if (!found || generation! <= found.state.deletedGeneration) return;
    for (const row of found?.rows ?? [])
      if (row.update.generation === generation && (!since || isAfter(row, since))) yield toHistoryRow(row);
  }

  async trimSnapshots(): Promise<number> {
    let trimmed = 0;
    for (const found of this.#documents.values())
      trimmed += found.snapshots.splice(0, found.snapshots.length - 1).length;
    return trimmed;
  }

  async countQuarantined(): Promise<number> {
    return this.quarantined.filter(({ replayedAtMs }) => replayedAtMs === undefined).length;
  }

  async listQuarantined(query: QuarantineQuery): Promise<QuarantinedSummary[]> {
    return listOf(this.quarantined, query);
  }

  async readQuarantined(place: RecordPlace): Promise<QuarantinedRecord | undefined> {
    const found = this.#quarantinedAt(place);
    return found && toRecord(found);
  }

  async quarantineStored(document: DocumentId, places: readonly RecordPlace[]): Promise<number> {
    const found = this.#documents.get(documentKey(document));
    const before = this.quarantined.length;
    for (const place of places) {
      const row = found?.rows.find((candidate) => compare(candidate, place) === 0 && !candidate.repeatOf);
      if (!row || !found || this.#quarantinedAt(place)) continue;
      const { epoch, partition, update } = row;
      const record = quarantineUpdate(update, { reason: INAPPLICABLE, state: found.state });
      this.quarantined.push({ ...record, epoch, partition, atMs: this.#clock.wallTime() });
    }
    return this.quarantined.length - before;
  }

  async replayQuarantined(place: RecordPlace, update: IncomingUpdate): Promise<ReplayResult> {
    const { epoch, partition, offset } = place;
    if (!this.#quarantinedAt(place)) return { outcome: 'refused', reason: 'not-quarantined' };
    const found = this.#documents.get(documentKey(update.document));
    if (this.#stored.has(`${epoch}/${partition}/${offset}`)) {
      const row = found?.rows.find((at) => compare({ ...at, offset: at.update.offset }, place) === 0);
      return { outcome: 'known', isRepeat: row?.repeatOf !== undefined };
    }
    if (!isStorableJson(update.metadata))
      throw new AppError('STORE_BAD_DATA', { data: { sqlState: '22P05' } });
    if (found && isAfter(found.state.generationStart, place))
      return { outcome: 'refused', reason: 'stale-generation' };
    const range = { fetchOffset: offset, nextOffset: offset + 1 };
    const records = [{ ...update, offset }];
    const batch = { consumer: PERSISTER_CONSUMER, epoch, partition, ...range, records };
    const plan = this.#planned(batch);
    const [row] = plan.rows;
    if (!row) return { outcome: 'refused', reason: plan.quarantined[0]?.reason ?? 'unknown' };
    this.#apply(batch, plan);
    return { outcome: 'stored', isRepeat: row.repeatOf !== undefined };
  }

  async markReplayed(place: RecordPlace): Promise<void> {
    const found = this.#quarantinedAt(place);
    if (found) found.replayedAtMs ??= this.#clock.wallTime();
  }

  async acceptLoss(loss: Omit<AcceptedLoss, 'atMs'>): Promise<boolean> {
    const position = `${PERSISTER_CONSUMER}/${loss.epoch}/${loss.partition}`;
    if ((this.#positions.get(position) ?? 0) !== loss.fromOffset) return false;
    this.#positions.set(position, loss.toOffset);
    this.#losses.push({ ...loss, atMs: this.#clock.wallTime() });
    return true;
  }

  async acceptedLosses(limit: number): Promise<AcceptedLoss[]> {
    return newestLosses(this.#losses, limit);
  }

  async findStored({ tenantId, roomId, ...rest }: DocumentId): Promise<StoredDocument | undefined> {
    const key = documentKey({ tenantId, roomId, ...rest });
    const found = documentsOf(this.#documents.values(), { tenantId, roomId, limit: Infinity });
    return found.find(({ document }) => documentKey(document) === key);
  }

  async documents(query: DocumentQuery): Promise<StoredDocument[]> {
    return documentsOf(this.#documents.values(), query);
  }

  async lifecycle({
    document,
    epoch,
    partition,
  }: Omit<LoadRequest, 'sinceOffset'>): Promise<DocumentLifecycle> {
    const found = this.#documents.get(documentKey(document));
    const { generation, deleted, deletedGeneration } = found?.state ?? NEW_DOCUMENT;
    const generations = (found?.generations ?? []).map(copyOf).reverse();
    const storedThrough = (await this.nextOffset(PERSISTER_CONSUMER, epoch, partition)) - 1;
    return { generation, deleted, deletedGeneration, generations, storedThrough };
  }

  async removeDeleted(maxRows: number): Promise<RemovalStep | undefined> {
    for (const found of this.#documents.values()) {
      const deletion = found.generations.find(
        ({ removed }) => removed && removed.completedAtMs === undefined,
      );
      if (!deletion) continue;
      const removed = removeOf(found, { deletion, maxRows });
      removed.quarantined = this.#removeQuarantined(found, deletion);
      const isDone = removed.rows < maxRows;
      if (isDone) removed.completedAtMs = this.#clock.wallTime();
      addRemoved(deletion.removed!, removed);
      return { document: found.document, generation: deletion.generation, removed };
    }
    return undefined;
  }

  /** Generations of what is kept of a document, the earlier ones too: shows whether a deletion has left something. */
  keptGenerations(document: DocumentId): number[] {
    const { rows = [], snapshots = [] } = this.#documents.get(documentKey(document)) ?? {};
    return [...rows.map(({ update }) => update.generation), ...snapshots.map(({ generation }) => generation)];
  }

  async ping(): Promise<boolean> {
    return true;
  }

  async close(): Promise<void> {
    // nothing is held
  }

  #isAside(row: RecordPlace): boolean {
    const record = this.#quarantinedAt(row);
    return record?.reason === INAPPLICABLE && record.replayedAtMs === undefined;
  }

  #quarantinedAt(place: RecordPlace): MemoryQuarantined | undefined {
    return this.quarantined.find((record) => compare(record, place) === 0);
  }

  #applied(batch: IncomingBatch): BatchPlan {
    const plan = this.#planned(batch);
    this.#apply(batch, plan);
    return plan;
  }

  #planned(batch: IncomingBatch): BatchPlan {
    const documents = new Map<DocumentKey, DocumentState>();
    for (const record of batch.records) {
      if (!record.document) continue;
      const key = documentKey(record.document);
      const state = this.#documents.get(key)?.state;
      if (state) documents.set(key, state);
    }
    return planBatch(batch, { documents, firsts: this.#firsts });
  }

  #apply(batch: IncomingBatch, plan: BatchPlan): void {
    const { epoch, partition } = batch;
    for (const { key, document, state, restarted, updates } of plan.changes.values()) {
      const found = this.#documents.get(key) ?? this.#addDocument(key, document);
      const owedNothing = restarted || debtOf(found, this.#clock.wallTime(), this.#topics) === undefined;
      if (updates > 0 && owedNothing) found.oldestBehindMs = this.#clock.wallTime();
      if (updates > 0 || restarted) Object.assign(found, { epoch, partition });
      found.state = state;
    }
    for (const { key, barrier } of plan.generations)
      this.#documents.get(key)!.generations.push(toGenerationRow(barrier, { epoch, partition }));
    for (const row of plan.rows) {
      const place = `${epoch}/${partition}/${row.update.offset}`;
      if (this.#stored.has(place)) continue;
      this.#stored.add(place);
      const retry = hasRetryKey(row.update) ? retryKey(row.update, row.key) : undefined;
      const point = { epoch, offset: row.update.offset };
      if (retry !== undefined && !row.repeatOf) this.#firsts.set(retry, point);
      const update = { ...row.update, payload: row.update.payload.slice() };
      insertInOrder(this.#documents.get(row.key)!.rows, { ...row, ...point, partition, update });
    }
    const atMs = this.#clock.wallTime();
    for (const record of plan.quarantined) this.quarantined.push({ ...record, epoch, partition, atMs });
  }

  #removeQuarantined({ document }: MemoryDocument, deletion: GenerationRow): number {
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
    this.#documents.set(key, found);
    return found;
  }

  #addTopic(identity: TopicIdentity): number {
    const epoch = this.#topics.length + 1;
    this.#topics.push({ ...identity, epoch });
    return epoch;
  }
}
