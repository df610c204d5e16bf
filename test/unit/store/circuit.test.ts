import { describe, expect, it } from '@jest/globals';
import { systemClock } from '../../../lib/clock.ts';
import { AppError } from '../../../lib/errors.ts';
import { silentLogger } from '../../../lib/log.ts';
import { withCircuit } from '../../../lib/store/circuit.ts';
import { MemoryStore } from '../../../lib/store/memory.ts';
import { ManualClock } from '../gateway/manual-clock.ts';

/** A store in memory whose answers can be made to fail, before it a circuit on a clock of the test's own. */
function setUp() {
  const clock = new ManualClock();
  const store = new MemoryStore({ clock: systemClock });
  const state = { error: undefined as AppError | undefined, answers: true, asked: 0, pings: 0 };
  const failing = new Proxy(store, {
    get(target, name) {
      if (name === 'ping')
        return async () => {
          state.pings++;
          return state.answers;
        };
      if (name === 'countQuarantined')
        return async () => {
          state.asked++;
          if (state.error) throw state.error;
          return 0;
        };
      const found = Reflect.get(target, name) as unknown;
      return typeof found === 'function' ? (found.bind(target) as unknown) : found;
    },
  });
  return { clock, state, store: withCircuit({ store: failing, clock, logger: silentLogger }) };
}

/** Time in small steps, with what follows from each. */
async function pass(clock: ManualClock, ms: number): Promise<void> {
  for (let at = 0; at < ms; at += 50) {
    clock.advance(50);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const unanswered = () => new AppError('STORE_UNAVAILABLE');
const fail = async (store: { countQuarantined(): Promise<number> }, times: number) => {
  for (let n = 0; n < times; n++) await expect(store.countQuarantined()).rejects.toThrow();
};

describe('the circuit before a store', () => {
  it('asks no more after three calls without an answer, until a probe is answered', async () => {
    const { clock, state, store } = setUp();
    state.error = unanswered();
    state.answers = false;
    await fail(store, 5);
    expect(state.asked).toBe(3);
    await pass(clock, 10_000);
    expect(state.pings).toBeGreaterThanOrEqual(4);
    expect(state.pings).toBeLessThanOrEqual(9);
    await fail(store, 1);
    expect(state.asked).toBe(3);
    state.error = undefined;
    state.answers = true;
    await pass(clock, 2_000);
    expect(await store.countQuarantined()).toBe(0);
    const { pings } = state;
    await pass(clock, 60_000);
    expect(state.pings).toBe(pings);
  });

  it('an answer in between begins the count anew', async () => {
    const { state, store } = setUp();
    for (let n = 0; n < 5; n++) {
      state.error = unanswered();
      await fail(store, 2);
      state.error = undefined;
      await store.countQuarantined();
    }
    expect(state.asked).toBe(15);
  });

  it('what the server itself refuses is an answer', async () => {
    const { state, store } = setUp();
    for (const sqlState of ['55P03', '57014', '25P03', '40001']) {
      state.error = new AppError('STORE_UNAVAILABLE', { data: { sqlState } });
      await fail(store, 3);
    }
    state.error = new AppError('STORE_BAD_DATA', { data: { sqlState: '22P05' } });
    await fail(store, 3);
    expect(state.asked).toBe(15);
    state.error = new AppError('STORE_UNAVAILABLE', { data: { sqlState: '57P03' } });
    await fail(store, 5);
    expect(state.asked).toBe(18);
  });

  it('asks no more when it is closed', async () => {
    const { clock, state, store } = setUp();
    state.error = unanswered();
    state.answers = false;
    await fail(store, 3);
    await store.close();
    await pass(clock, 60_000);
    expect(state.pings).toBe(0);
  });
});
