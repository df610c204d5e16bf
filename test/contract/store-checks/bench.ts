import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { isAppError } from '../../../lib/errors.ts';
import type { DocumentId } from '../../../lib/protocol/ids.ts';
import {
  PERSISTER_CONSUMER,
  type HistoryRow,
  type IncomingBarrier,
  type IncomingBatch,
  type IncomingRecord,
  type IncomingUpdate,
  type PersistenceAdapter,
  type Snapshot,
} from '../../../lib/store/port.ts';

/** A plain function on a prepared store that makes its own topic and documents; fails by an assertion. */
export type StoreCheck = (store: PersistenceAdapter) => Promise<void>;

export const identityOf = (topic: string, partitions = 4) => ({
  topic,
  topicId: randomUUID(),
  clusterId: 'cluster',
  partitions,
});

/** A topic of its own with one partition in use, and a document in it. */
export class Bench {
  readonly store: PersistenceAdapter;
  readonly epoch: number;
  readonly partition = 2;
  readonly document: DocumentId = { tenantId: 't', roomId: `r-${randomUUID()}`, docId: 'd' };

  private constructor(store: PersistenceAdapter, epoch: number) {
    this.store = store;
    this.epoch = epoch;
  }

  static async make(store: PersistenceAdapter): Promise<Bench> {
    return new Bench(store, await store.epochOf(identityOf(`topic-${randomUUID()}`)));
  }

  update(offset: number, fields: Partial<IncomingUpdate> = {}): IncomingUpdate {
    return {
      kind: 'update',
      offset,
      document: this.document,
      generation: 1,
      senderId: 'sender',
      clientVersion: offset + 1,
      atMs: 1_790_000_000_000 + offset,
      metadata: { docId: 'd', extra: { nested: [offset] } },
      payload: Uint8Array.of(1, 2, offset & 0xff),
      ...fields,
    };
  }

  barrier(
    offset: number,
    generation: number,
    reason: IncomingBarrier['reason'] = 'restored',
  ): IncomingBarrier {
    return { kind: 'barrier', offset, document: this.document, generation, reason };
  }

  batch(fetchOffset: number, records: IncomingRecord[], nextOffset?: number): IncomingBatch {
    return {
      consumer: PERSISTER_CONSUMER,
      epoch: this.epoch,
      partition: this.partition,
      fetchOffset,
      nextOffset: nextOffset ?? (records.at(-1)?.offset ?? fetchOffset - 1) + 1,
      records,
    };
  }

  async put(fetchOffset: number, records: IncomingRecord[], nextOffset?: number) {
    const result = await this.store.storeBatch(this.batch(fetchOffset, records, nextOffset));
    assert.equal(result.outcome, 'stored');
    return result;
  }

  load(sinceOffset?: number) {
    const { document, epoch, partition } = this;
    return this.store.load({
      document,
      epoch,
      partition,
      ...(sinceOffset === undefined ? {} : { sinceOffset }),
    });
  }

  position() {
    return this.store.nextOffset(PERSISTER_CONSUMER, this.epoch, this.partition);
  }

  snapshot(throughOffset: number, fields: Partial<Snapshot> = {}): Snapshot {
    return {
      document: this.document,
      generation: 1,
      epoch: this.epoch,
      partition: this.partition,
      throughOffset,
      data: Uint8Array.of(9, throughOffset & 0xff),
      stateVector: Uint8Array.of(8),
      ...fields,
    };
  }

  async history(since?: number): Promise<HistoryRow[]> {
    const position = { generation: 1, epoch: this.epoch, partition: this.partition, offset: since ?? -1 };
    const rows: HistoryRow[] = [];
    for await (const row of this.store.exportHistory(
      this.document,
      since === undefined ? undefined : position,
    ))
      rows.push(row);
    return rows;
  }

  lifecycle() {
    const { document, epoch, partition } = this;
    return this.store.lifecycle({ document, epoch, partition });
  }

  /** Until nothing of the document is left to remove; steps of other documents come in between. Its generations. */
  async removeAll(maxRows: number) {
    for (;;) {
      const { generations } = await this.lifecycle();
      const isPending = generations.some(({ removed }) => removed && removed.completedAtMs === undefined);
      if (!isPending) return generations.filter(({ removed }) => removed);
      const step = await this.store.removeDeleted(maxRows);
      assert.ok(!step || step.removed.rows <= maxRows, 'no step removes more than it may');
    }
  }

  versions(throughOffset: number, senderId = 'sender', generation = 1) {
    return this.store.appendedVersions(this.document, generation, {
      senderId,
      epoch: this.epoch,
      throughOffset,
    });
  }
}

/** The offsets of rows, in their order. */
export const offsets = (rows: readonly { offset: number }[]) => rows.map((row) => row.offset);

/** Expects a rejection of that type. */
export async function rejectsWith(
  type: 'STORE_BAD_DATA' | 'STREAM_IDENTITY_CHANGED' | 'STREAM_PARTITIONS_CHANGED',
  work: Promise<unknown>,
) {
  await assert.rejects(work, (error) => isAppError(error, type));
}
