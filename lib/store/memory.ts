import type { Clock } from '../clock.ts';
import { AppError } from '../errors.ts';
import { documentKey, type DocumentId } from '../protocol/ids.ts';
import type { Position } from '../protocol/position.ts';
import type { VersionRanges } from '../protocol/ranges.ts';
import type { TopicIdentity } from '../stream/port.ts';
import { addRemoved, copyOf, removeOf } from './memory-lifecycle.ts';
import { documentsOf, listOf, newestLosses, toRecord, type MemoryQuarantined } from './memory-operations.ts';
import { debtOf, isAfter, newestOf, pointOf, toHistoryRow, type MemoryDocument } from './memory-rows.ts';
import { NEW_DOCUMENT } from './plan.ts';
import {
  PERSISTER_CONSUMER,
  type DocumentLifecycle,
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
import type {
  AcceptedLoss,
  DocumentQuery,
  QuarantinedRecord,
  QuarantinedSummary,
  QuarantineQuery,
  RecordPlace,
  ReplayResult,
  StoredDocument,
} from './operations.ts';
import { quarantineStored, replayQuarantined } from './memory-replay.ts';
import { appendedVersions, loadState } from './memory-reads.ts';
import { MemoryTables } from './memory-tables.ts';
import { isStorableJson } from './text.ts';

/** Keeps everything in this process and nothing after it: for unit tests and simulations. */
export class MemoryStore implements PersistenceAdapter {
  readonly #tables: MemoryTables;

  constructor({ clock }: { clock: Pick<Clock, 'wallTime'> }) {
    this.#tables = new MemoryTables(clock);
  }

  get quarantined(): readonly MemoryQuarantined[] {
    return this.#tables.quarantined;
  }

  async prepare(): Promise<void> {
    // there is no schema
  }

  async epochOf(identity: TopicIdentity): Promise<number> {
    const row = this.#tables.topics.findLast(({ topic }) => topic === identity.topic);
    if (!row) return this.#tables.addTopic(identity);
    if (row.topicId !== identity.topicId || row.clusterId !== identity.clusterId)
      throw new AppError('STREAM_IDENTITY_CHANGED', { data: { ...row } });
    if (row.partitions !== identity.partitions)
      throw new AppError('STREAM_PARTITIONS_CHANGED', { data: { ...row } });
    return row.epoch;
  }

  async adoptEpoch(identity: TopicIdentity): Promise<number> {
    const row = this.#tables.topics.findLast(({ topic }) => topic === identity.topic);
    const isKnown =
      row?.topicId === identity.topicId &&
      row.clusterId === identity.clusterId &&
      row.partitions === identity.partitions;
    return isKnown ? row.epoch : this.#tables.addTopic(identity);
  }

  async nextOffset(consumer: string, epoch: number, partition: number): Promise<number> {
    return this.#tables.nextOffset(consumer, epoch, partition);
  }

  async storeBatch(batch: IncomingBatch): Promise<StoreResult> {
    const position = `${batch.consumer}/${batch.epoch}/${batch.partition}`;
    const stored = this.#tables.positions.get(position) ?? 0;
    if (stored !== batch.fetchOffset) return { outcome: 'moved', nextOffset: stored, touched: new Map() };
    if (batch.records.some((record) => record.kind === 'update' && !isStorableJson(record.metadata)))
      throw new AppError('STORE_BAD_DATA', { data: { sqlState: '22P05' } });
    const plan = this.#tables.planned(batch);
    this.#tables.apply(batch, plan);
    this.#tables.positions.set(position, batch.nextOffset);
    return { outcome: 'stored', nextOffset: batch.nextOffset, touched: plan.touched };
  }

  async load(request: LoadRequest): Promise<StoredState> {
    return loadState(this.#tables, request);
  }

  async appendedVersions(
    document: DocumentId,
    generation: number,
    sender: SenderQuery,
  ): Promise<VersionRanges> {
    return appendedVersions(this.#tables, { document, generation, sender });
  }

  async persistSnapshot(snapshot: Snapshot): Promise<boolean> {
    const found = await this.#findFor(snapshot);
    if (!found) return false;
    const newest = newestOf(found, () => true);
    if (newest && !isAfter(pointOf(snapshot), pointOf(newest))) return false;
    found.snapshots.push({ ...snapshot, data: snapshot.data.slice() });
    found.oldestBehindMs = this.#tables.nowMs();
    return true;
  }

  async replaceSnapshots(snapshot: Snapshot): Promise<boolean> {
    const found = await this.#findFor(snapshot);
    if (!found) return false;
    found.snapshots.splice(0, Infinity, { ...snapshot, data: snapshot.data.slice() });
    found.oldestBehindMs = this.#tables.nowMs();
    return true;
  }

  async #findFor(snapshot: Snapshot): Promise<MemoryDocument | undefined> {
    const found = this.#tables.find(snapshot.document);
    const { epoch, partition, throughOffset } = snapshot;
    if (!found || snapshot.generation !== found.state.generation || found.state.deleted) return undefined;
    if (isAfter(found.state.generationStart, pointOf(snapshot))) return undefined;
    const stored = await this.nextOffset(PERSISTER_CONSUMER, epoch, partition);
    return throughOffset >= stored ? undefined : found;
  }

  async snapshotDebts(limit: number): Promise<SnapshotDebt[]> {
    return [...this.#tables.documents.values()]
      .map((found) => debtOf(found, this.#tables.nowMs(), this.#tables.topics))
      .filter((debt) => debt !== undefined)
      .sort((a, b) => b.ageMs - a.ageMs)
      .slice(0, limit);
  }

  async snapshotDebt(document: DocumentId): Promise<SnapshotDebt | undefined> {
    const found = this.#tables.find(document);
    return found && debtOf(found, this.#tables.nowMs(), this.#tables.topics);
  }

  async *exportHistory(document: DocumentId, since?: Position): AsyncIterable<HistoryRow> {
    const found = this.#tables.find(document);
    const generation = since?.generation ?? found?.state.generation;
    if (!found || generation! <= found.state.deletedGeneration) return;
    for (const row of found?.rows ?? [])
      if (row.update.generation === generation && (!since || isAfter(row, since))) yield toHistoryRow(row);
  }

  async trimSnapshots(): Promise<number> {
    let trimmed = 0;
    for (const found of this.#tables.documents.values())
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
    const found = this.#tables.quarantinedAt(place);
    return found && toRecord(found);
  }

  async quarantineStored(document: DocumentId, places: readonly RecordPlace[]): Promise<number> {
    return quarantineStored(this.#tables, document, places);
  }

  async replayQuarantined(place: RecordPlace, update: IncomingUpdate): Promise<ReplayResult> {
    return replayQuarantined(this.#tables, place, update);
  }

  async markReplayed(place: RecordPlace): Promise<void> {
    const found = this.#tables.quarantinedAt(place);
    if (found) found.replayedAtMs ??= this.#tables.nowMs();
  }

  async acceptLoss(loss: Omit<AcceptedLoss, 'atMs'>): Promise<boolean> {
    const position = `${PERSISTER_CONSUMER}/${loss.epoch}/${loss.partition}`;
    if ((this.#tables.positions.get(position) ?? 0) !== loss.fromOffset) return false;
    this.#tables.positions.set(position, loss.toOffset);
    this.#tables.losses.push({ ...loss, atMs: this.#tables.nowMs() });
    return true;
  }

  async acceptedLosses(limit: number): Promise<AcceptedLoss[]> {
    return newestLosses(this.#tables.losses, limit);
  }

  async findStored({ tenantId, roomId, ...rest }: DocumentId): Promise<StoredDocument | undefined> {
    const key = documentKey({ tenantId, roomId, ...rest });
    const found = documentsOf(this.#tables.documents.values(), { tenantId, roomId, limit: Infinity });
    return found.find(({ document }) => documentKey(document) === key);
  }

  async documents(query: DocumentQuery): Promise<StoredDocument[]> {
    return documentsOf(this.#tables.documents.values(), query);
  }

  async lifecycle({
    document,
    epoch,
    partition,
  }: Omit<LoadRequest, 'sinceOffset'>): Promise<DocumentLifecycle> {
    const found = this.#tables.find(document);
    const { generation, deleted, deletedGeneration } = found?.state ?? NEW_DOCUMENT;
    const generations = (found?.generations ?? []).map(copyOf).reverse();
    const storedThrough = (await this.nextOffset(PERSISTER_CONSUMER, epoch, partition)) - 1;
    return { generation, deleted, deletedGeneration, generations, storedThrough };
  }

  async removeDeleted(maxRows: number): Promise<RemovalStep | undefined> {
    for (const found of this.#tables.documents.values()) {
      const deletion = found.generations.find(
        ({ removed }) => removed && removed.completedAtMs === undefined,
      );
      if (!deletion) continue;
      const removed = removeOf(found, { deletion, maxRows });
      removed.quarantined = this.#tables.removeQuarantined(found, deletion);
      const isDone = removed.rows < maxRows;
      if (isDone) removed.completedAtMs = this.#tables.nowMs();
      addRemoved(deletion.removed!, removed);
      return { document: found.document, generation: deletion.generation, removed };
    }
    return undefined;
  }

  /** Generations of what is kept of a document, the earlier ones too: shows whether a deletion has left something. */
  keptGenerations(document: DocumentId): number[] {
    const { rows = [], snapshots = [] } = this.#tables.find(document) ?? {};
    return [...rows.map(({ update }) => update.generation), ...snapshots.map(({ generation }) => generation)];
  }

  async ping(): Promise<boolean> {
    return true;
  }

  async close(): Promise<void> {
    // nothing is held
  }
}
