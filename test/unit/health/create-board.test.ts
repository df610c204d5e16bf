import { describe, expect, it } from '@jest/globals';
import { createHealthBoard } from '../../../lib/health/create-board.ts';
import { ManualClock } from '../gateway/manual-clock.ts';

const answers = (db: boolean | undefined, kafka: boolean | undefined) => ({
  db: () => (db === undefined ? undefined : Promise.resolve(db)),
  kafka: () => (kafka === undefined ? undefined : Promise.resolve(kafka)),
});

describe('createHealthBoard', () => {
  it('is starting until a part has registered', async () => {
    expect((await createHealthBoard(answers(undefined, undefined)).report()).status).toBe('starting');
  });

  it('sums connections and rooms and is ok when all parts are ready', async () => {
    const board = createHealthBoard(answers(undefined, true));
    board.register('gateway', () => ({ ready: true, connections: 3, rooms: 2 }));
    board.register('persister', () => ({ ready: true }));
    expect(await board.report()).toMatchObject({
      status: 'ok',
      db: 'unused',
      kafka: 'ok',
      connections: 3,
      rooms: 2,
    });
  });

  it('is degraded when a part is not ready or its probe throws', async () => {
    const board = createHealthBoard(answers(true, true));
    board.register('persister', () => {
      throw new TypeError('internal text');
    });
    const report = await board.report();
    expect(report.status).toBe('degraded');
    expect(JSON.stringify(report)).not.toContain('internal text');
  });

  it('is degraded when a used component does not answer', async () => {
    const board = createHealthBoard(answers(false, true));
    board.register('fastsync', () => ({ ready: true }));
    expect(await board.report()).toMatchObject({ status: 'degraded', db: 'down' });
  });

  it('answers in bounded time when a part or a component hangs, and says so', async () => {
    const clock = new ManualClock();
    const hangs = new Promise<never>(() => undefined);
    const board = createHealthBoard({ db: () => hangs, kafka: () => Promise.resolve(true) }, clock);
    board.register('persister', () => hangs);
    board.register('codec', () => ({ ready: true }));
    const report = board.report();
    await Promise.resolve();
    for (let step = 0; step < 5; step++) {
      clock.advance(3_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await report).toMatchObject({
      status: 'degraded',
      db: 'down',
      kafka: 'ok',
      parts: { persister: { ready: false }, codec: { ready: true } },
    });
  });
});
