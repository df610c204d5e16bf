import { describe, expect, it } from '@jest/globals';
import { AppError } from '../../../lib/errors.ts';
import { waitFor } from '../../support/wait.ts';
import { setUp, updates } from './persister-world.ts';

describe('Persister', () => {
  it('tells where its partitions stand', async () => {
    const { start, append, untilStored, target } = await setUp();
    const persister = await start();
    await append(updates(0, 3));
    await untilStored(2);
    const positions = await persister.positions();
    expect(positions).toHaveLength(2);
    expect(positions.find((at) => at.partition === target.partition)).toMatchObject({
      nextOffset: 3,
      lag: 0,
    });
    expect(persister.isAssigned(positions[0]!.epoch, target.partition)).toBe(true);
    expect(persister.isAssigned(positions[0]!.epoch, 99)).toBe(false);
  });

  it('tells where its partitions stood while the store is away, and how far the log has gone on since', async () => {
    const { store, start, append, untilStored, target } = await setUp({
      wrap: (storeBatch) => async (batch) => {
        if (isOut) throw new AppError('STORE_UNAVAILABLE');
        return storeBatch(batch);
      },
    });
    let isOut = false;
    const persister = await start();
    await append(updates(0, 3));
    await untilStored(2);
    isOut = true;
    const nextOffset = store.nextOffset.bind(store);
    store.nextOffset = () => Promise.reject(new AppError('STORE_UNAVAILABLE'));
    await append(updates(3, 8));
    const positions = await persister.positions();
    expect(positions.find((at) => at.partition === target.partition)).toMatchObject({
      nextOffset: 3,
      lag: 5,
    });
    store.nextOffset = () => Promise.reject(new AppError('STORE_BAD_DATA'));
    await expect(persister.positions()).rejects.toMatchObject({ type: 'STORE_BAD_DATA' });
    store.nextOffset = nextOffset;
    isOut = false;
    await untilStored(7);
  });

  it('leaves to another member what has gone there: neither its lag nor its standstill is told twice', async () => {
    const away = new Set<number>();
    const { stream, start, append, untilStored, target } = await setUp({ isAway: (at) => away.has(at) });
    await append(updates(0, 3));
    const first = await start();
    await untilStored(2);
    await first.stop();
    await append(updates(3, 6));
    await stream.trim(target, 5);
    const persister = await start();
    await waitFor(() => persister.status().blocked.length === 1);
    const { epoch } = (await persister.positions())[0]!;
    expect(persister.assignedPartitions).toBe(2);
    away.add(target.partition);
    expect(persister.isAssigned(epoch, target.partition)).toBe(false);
    expect(persister.assignedPartitions).toBe(1);
    expect(persister.status().blocked).toEqual([]);
    expect((await persister.positions()).map(({ partition }) => partition)).toEqual([1 - target.partition]);
  });
});
