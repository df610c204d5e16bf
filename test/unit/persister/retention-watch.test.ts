import { describe, expect, it } from '@jest/globals';
import { AppError } from '../../../lib/errors.ts';
import { silentLogger } from '../../../lib/log.ts';
import { RetentionWatch } from '../../../lib/persister/retention-watch.ts';
import type { TopicRetention } from '../../../lib/stream/port.ts';
import { ManualClock } from '../gateway/manual-clock.ts';
import { delivered, updateRecord } from './records.ts';

const HOUR_MS = 3_600_000;

function setUp(log: {
  ageMs?: number;
  first?: number;
  retention?: TopicRetention | undefined;
  isCut?: boolean;
}) {
  const clock = new ManualClock();
  const state = { nextOffset: 1_000, lag: 2_000, ...log };
  const watch = new RetentionWatch({
    stream: {
      startOffset: async () => state.first ?? 0,
      retention: async () => state.retention,
      read: async ({ topic, partition, fromOffset, toOffset }) => {
        if (state.isCut) throw new AppError('STREAM_OFFSET_OUT_OF_RANGE');
        const timestampMs = clock.wallTime() - (state.ageMs ?? 0);
        const records = [{ ...delivered(updateRecord({ version: 1 }), fromOffset), timestampMs }];
        return { topic, partition, fetchOffset: fromOffset, nextOffset: toOffset, records };
      },
    },
    positions: async () => [
      { topic: 'yjs-doc', partition: 3, epoch: 1, nextOffset: state.nextOffset, lag: state.lag },
      { topic: 'yjs-doc', partition: 4, epoch: 1, nextOffset: 5, lag: 0 },
    ],
    maxRecordBytes: 1 << 20,
    sweepMs: 10_000,
    clock,
    logger: silentLogger,
  });
  return { state, watch };
}

describe('RetentionWatch', () => {
  it('warns when the oldest record that is not stored has used up half of its time', async () => {
    const { state, watch } = setUp({ ageMs: 10 * HOUR_MS, retention: { retentionMs: 100 * HOUR_MS } });
    await watch.sweep();
    expect(watch.status()).toMatchObject({ lagRecords: 2_000, usedRatio: 0.1, near: [] });
    state.ageMs = 60 * HOUR_MS;
    await watch.sweep();
    expect(watch.status()).toEqual({
      lagRecords: 2_000,
      oldestUnstoredMs: 60 * HOUR_MS,
      usedRatio: 0.6,
      near: ['yjs-doc/3'],
    });
    state.lag = 0;
    await watch.sweep();
    expect(watch.status()).toEqual({ lagRecords: 0, oldestUnstoredMs: 0, usedRatio: 0, near: [] });
  });

  it('goes by offsets when the log is cut by size', async () => {
    const { state, watch } = setUp({ first: 500, retention: { retentionBytes: 1_000_000 } });
    await watch.sweep();
    expect(watch.status()).toMatchObject({ usedRatio: 2_000 / 2_500, near: ['yjs-doc/3'] });
    state.first = 0; // nothing has been cut yet
    await watch.sweep();
    expect(watch.status()).toMatchObject({ usedRatio: 0, near: [] });
  });

  it('says 1 when it is too late, and nothing where the log has no retention', async () => {
    const { state, watch } = setUp({ isCut: true, retention: { retentionMs: HOUR_MS } });
    await watch.sweep();
    expect(watch.status()).toMatchObject({ usedRatio: 1, near: ['yjs-doc/3'] });
    state.retention = undefined;
    state.isCut = false;
    await watch.sweep();
    expect(watch.status()).toMatchObject({ usedRatio: 0, near: [] });
  });
});
