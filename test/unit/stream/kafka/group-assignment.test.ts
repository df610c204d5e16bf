import { describe, expect, it } from '@jest/globals';
import { AppError } from '../../../../lib/errors.ts';
import { silentLogger } from '../../../../lib/log.ts';
import { GroupAssignment, type AssignmentParts } from '../../../../lib/stream/kafka/group-assignment.ts';
import { ManualClock } from '../../gateway/manual-clock.ts';

function setUp() {
  const clock = new ManualClock();
  const state = { asked: 0, reason: 'the store is away', told: [] as string[] };
  const consumer = { pause: () => undefined, resume: () => undefined, seek: () => undefined };
  const assignment = new GroupAssignment({
    consumer,
    identities: { requireSame: () => Promise.resolve() },
    cluster: {},
    settings: { clock, logger: silentLogger, retryPauseMs: 250 },
    request: {
      startOffset: () => {
        state.asked++;
        return Promise.reject(new AppError('STORE_UNAVAILABLE', { message: state.reason }));
      },
      onError: ({ message }: Error) => void state.told.push(message),
    },
  } as unknown as AssignmentParts);
  const pass = async (ms: number) => {
    for (let at = 0; at < ms; at += 50) {
      clock.advance(50);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  return { assignment, state, pass };
}

describe('the partitions of a group member', () => {
  it('tells once for each reason why one cannot begin, and goes on asking', async () => {
    const { assignment, state, pass } = setUp();
    assignment.replace({ t: [0] });
    expect(assignment.get({ topic: 't', partition: 0 })).toBeDefined();
    await pass(5_000);
    expect(state.asked).toBeGreaterThan(10);
    expect(state.told).toEqual(['the store is away']);
    state.reason = 'the log is away';
    await pass(5_000);
    expect(state.told).toEqual(['the store is away', 'the log is away']);
    assignment.replace({});
    expect(assignment.get({ topic: 't', partition: 0 })).toBeUndefined();
    const { asked } = state;
    await pass(2_000);
    expect(state.asked).toBe(asked);
  });
});
