import { describe, expect, it } from '@jest/globals';
import { createHealthBoard } from '../../../lib/health/create-board.ts';

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
});
