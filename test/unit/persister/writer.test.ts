import { describe, expect, it } from '@jest/globals';
import { AppError } from '../../../lib/errors.ts';
import { silentLogger, type Logger } from '../../../lib/log.ts';
import { noPersisterMetrics } from '../../../lib/persister/metrics.ts';
import { quarantine } from '../../../lib/persister/classify.ts';
import type { SubBatch } from '../../../lib/persister/split.ts';
import { RunWriter } from '../../../lib/persister/writer.ts';
import type { StoreResult } from '../../../lib/store/port.ts';
import { ManualClock } from '../gateway/manual-clock.ts';

const RUN: SubBatch = { fetchOffset: 0, nextOffset: 5, records: [] };

function setUp() {
  const clock = new ManualClock();
  const told: boolean[] = [];
  const state = { beats: 0, quarantined: 0, isStopped: false, warnings: [] as string[] };
  const warn = (_fields: object, message: string) => void state.warnings.push(message);
  const answers: { resolve: (result: StoreResult) => void; reject: (error: Error) => void }[] = [];
  const writer = new RunWriter({
    store: {
      storeBatch: () => new Promise((resolve, reject) => void answers.push({ resolve, reject })),
    },
    clock,
    logger: { ...silentLogger, warn } as Logger,
    metrics: { ...noPersisterMetrics, quarantined: (records) => void (state.quarantined += records) },
    onStored: () => undefined,
    onOutage: (isOut) => void told.push(isOut),
  });
  const place = {
    epoch: 1,
    partition: 0,
    context: {
      heartbeat: async () => {
        state.beats++;
      },
      isStale: () => false,
    },
    isStopped: () => state.isStopped,
  };
  const pass = async (ms: number) => {
    for (let at = 0; at < ms; at += 100) {
      clock.advance(100);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  return { answers, told, state, pass, write: (run: SubBatch = RUN) => writer.write(run, place) };
}

const STORED: StoreResult = { outcome: 'stored', nextOffset: 5, touched: new Map() };

describe('RunWriter', () => {
  it('keeps its membership while the store works; one that is slow is told slow, once, and is not out', async () => {
    const { answers, told, state, pass, write } = setUp();
    const writing = write();
    await pass(2_500);
    expect(state.beats).toBe(2);
    expect(told).toEqual([]);
    expect(state.warnings).toEqual([]);
    await pass(10_000);
    expect(state.warnings).toEqual(['the store is slow: waiting']);
    expect(told).toEqual([]);
    answers[0]!.resolve(STORED);
    expect(await writing).toMatchObject({ outcome: 'done' });
    expect(told).toEqual([]);
    const { beats } = state;
    await pass(5_000);
    expect(state.beats).toBe(beats);
  });

  it('counts what it puts aside once, when that is stored', async () => {
    const { answers, state, pass, write } = setUp();
    const delivered = { offset: 0, key: 'k', value: new Uint8Array(1), headers: {}, timestampMs: 0 };
    const records = [{ delivered, incoming: quarantine(delivered, 'bad-key') }];
    const writing = write({ ...RUN, records });
    answers[0]!.reject(new AppError('STORE_UNAVAILABLE'));
    await pass(1_100);
    expect(state.quarantined).toBe(0);
    answers[1]!.resolve(STORED);
    await writing;
    expect(state.quarantined).toBe(1);
  });

  it('repeats through an outage, and says nothing more once it is stopped', async () => {
    const { answers, told, state, pass, write } = setUp();
    const writing = write();
    for (let n = 0; n < 4; n++) {
      answers[n]!.reject(new AppError('STORE_UNAVAILABLE'));
      await pass(1_100);
      expect(answers).toHaveLength(n + 2);
    }
    expect(told.every((isOut) => isOut)).toBe(true);
    state.isStopped = true;
    answers[4]!.reject(new AppError('STORE_UNAVAILABLE'));
    await pass(1_100);
    expect(await writing).toMatchObject({ outcome: 'elsewhere', nextOffset: 0 });
    expect(told.at(-1)).toBe(false);
    expect(answers).toHaveLength(5);
  });
});
