import { describe, expect, it, jest } from '@jest/globals';
import { systemClock } from '../../../lib/clock.ts';
import { AppError } from '../../../lib/errors.ts';
import { PersistenceCoordinator, type UpdateMetadata } from '../../../lib/store/coordinator.ts';
import { MemoryStore } from '../../../lib/store/memory.ts';
import { PERSISTER_CONSUMER, type HistoryRow } from '../../../lib/store/port.ts';

const document = { tenantId: 't', roomId: 'r', docId: 'd' };
const at = (offset: number) => ({ generation: 1, epoch: 1, partition: 0, offset });

const update = (offset: number): UpdateMetadata => ({
  document,
  position: at(offset),
  senderId: 's',
  clientVersion: offset + 1,
  atMs: 1,
  metadata: { custom: 'kept' },
});

function setUp() {
  const store = new MemoryStore({ clock: systemClock });
  const onStored = jest.fn();
  return { store, onStored, coordinator: new PersistenceCoordinator({ store, onStored }) };
}

async function rowsOf(rows: AsyncIterable<HistoryRow>): Promise<HistoryRow[]> {
  const found: HistoryRow[] = [];
  for await (const row of rows) found.push(row);
  return found;
}

describe('PersistenceCoordinator', () => {
  it('does what is asked for one document in the order in which it was asked', async () => {
    const { coordinator } = setUp();
    const done: string[] = [];
    const first = coordinator.persistUpdate(update(0), Uint8Array.of(0)).then(() => done.push('first'));
    const second = coordinator.persistUpdate(update(1), Uint8Array.of(1)).then(() => done.push('second'));
    const exported = rowsOf(coordinator.exportHistory(document));
    await Promise.all([second, first]);
    expect(done).toEqual(['first', 'second']);
    expect((await exported).map((row) => [row.offset, row.metadata])).toEqual([
      [0, { custom: 'kept' }],
      [1, { custom: 'kept' }],
    ]);
    expect(await rowsOf(coordinator.exportHistory(document, at(0)))).toHaveLength(1);
  });

  it('goes on after a failure', async () => {
    const { coordinator, store } = setUp();
    const storeBatch = jest
      .spyOn(store, 'storeBatch')
      .mockRejectedValueOnce(new AppError('STORE_UNAVAILABLE'));
    const failing = coordinator.persistUpdate(update(0), Uint8Array.of(0));
    const next = coordinator.persistUpdate(update(1), Uint8Array.of(1));
    await expect(failing).rejects.toMatchObject({ type: 'STORE_UNAVAILABLE' });
    await next;
    expect(storeBatch).toHaveBeenCalledTimes(2);
    expect(await rowsOf(coordinator.exportHistory(document))).toHaveLength(1);
  });

  it('an update written by itself stays one row when the log brings it as well', async () => {
    const { coordinator, store } = setUp();
    await coordinator.persistUpdate(update(1), Uint8Array.of(1));
    await coordinator.persistUpdate(update(1), Uint8Array.of(1));
    expect(await store.nextOffset(PERSISTER_CONSUMER, 1, 0)).toBe(0);
    const { position, ...fields } = update(1);
    await coordinator.storeBatch({
      consumer: PERSISTER_CONSUMER,
      epoch: 1,
      partition: 0,
      fetchOffset: 0,
      nextOffset: 2,
      records: [{ kind: 'update', payload: Uint8Array.of(1), ...fields, ...position }],
    });
    const rows = await rowsOf(coordinator.exportHistory(document));
    expect(rows.map((row) => [row.offset, [...row.payload]])).toEqual([[1, [1]]]);
  });

  it('recovers the snapshot with the rows after it', async () => {
    const { coordinator } = setUp();
    const batch = { consumer: PERSISTER_CONSUMER, epoch: 1, partition: 0, fetchOffset: 0, nextOffset: 2 };
    const records = [0, 1].map((offset) => {
      const { position: _, ...fields } = update(offset);
      return { kind: 'update' as const, offset, generation: 1, payload: Uint8Array.of(offset), ...fields };
    });
    await coordinator.storeBatch({ ...batch, records });
    const snapshot = {
      ...at(0),
      document,
      throughOffset: 0,
      data: Uint8Array.of(9),
      stateVector: Uint8Array.of(8),
    };
    expect(await coordinator.persistSnapshot(snapshot)).toBe(true);
    const state = await coordinator.recoverSnapshot({ document, epoch: 1, partition: 0 });
    expect(state.snapshot!.throughOffset).toBe(0);
    expect(state.updates.map((row) => row.offset)).toEqual([1]);
  });

  it('tells of what was stored, but not of what is for the history only', async () => {
    const { coordinator, onStored } = setUp();
    await coordinator.persistUpdate(update(0), Uint8Array.of(0), { historyOnly: true });
    expect(onStored).not.toHaveBeenCalled();
    await coordinator.persistUpdate(update(1), Uint8Array.of(1));
    expect(onStored).toHaveBeenCalledTimes(1);
  });
});
