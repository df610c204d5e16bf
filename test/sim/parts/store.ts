import { AppError } from '../../../lib/errors.ts';
import type { MemoryStore } from '../../../lib/store/memory.ts';
import {
  PERSISTER_CONSUMER,
  type IncomingBatch,
  type PersistenceAdapter,
  type StoreResult,
} from '../../../lib/store/port.ts';
import type { Counters } from '../engine/counters.ts';
import type { SimProcess } from '../engine/process.ts';
import type { Weather } from '../engine/weather.ts';

export interface SimStoreParts {
  process: SimProcess;
  store: MemoryStore;
  weather: Weather;
  counters: Counters;
  /** Next offset of each partition, as committed. */
  stored: number[];
}

/** The database as one process reaches it: every call is one transaction there, if it gets there at all. */
export function simStore(parts: SimStoreParts): PersistenceAdapter {
  return new Proxy<PersistenceAdapter>(parts.store, {
    get(target, name: keyof PersistenceAdapter) {
      const method = target[name] as (...args: unknown[]) => unknown;
      // Pages of rows are for operators; here only the oracle reads them.
      if (name === 'exportHistory') return method.bind(target);
      return (...args: unknown[]) =>
        call(parts, name, async () => {
          const result = await (method.apply(target, args) as Promise<unknown>);
          noteResult(parts, name, args[0], result);
          return result;
        });
    },
  });
}

function noteResult(
  { counters, stored }: SimStoreParts,
  name: string,
  request: unknown,
  result: unknown,
): void {
  if (name === 'persistSnapshot') counters.count(result ? 'snapshot-written' : 'snapshot-refused');
  if (name !== 'storeBatch') return;
  const { outcome, nextOffset } = result as StoreResult;
  const { consumer, partition } = request as IncomingBatch;
  counters.count(outcome === 'moved' ? 'batch-elsewhere' : 'batch-stored');
  if (outcome === 'stored' && consumer === PERSISTER_CONSUMER) stored[partition] = nextOffset;
}

function call<T>(
  { process, weather, counters }: SimStoreParts,
  label: string,
  transaction: () => Promise<T>,
): Promise<T> {
  const { random, name, scheduler } = process;
  return new Promise((resolve, reject) => {
    const fail = (delayMs: number, kind: string) => {
      counters.count(kind);
      process.after(delayMs, `${label} failed`, () => reject(new AppError('STORE_UNAVAILABLE')));
    };
    if (weather.is('store-away', name)) return fail(random.delay(10, 800), 'store-away');
    const isSlow = weather.is('store-slow', name) && random.chance(0.6);
    if (isSlow) counters.count('store-slow');
    const thereMs = isSlow ? random.next() * 5_000 : random.delay(3, 50);
    const isLost = weather.is('store-lost', name) && random.chance(0.5);
    const outlivesCaller = random.chance(0.6);
    scheduler.after(thereMs, label, () => {
      if (process.isDead && !outlivesCaller) return;
      if (process.isDead) counters.count('transaction-of-the-dead');
      const backMs = isSlow ? random.next() * 1_000 : random.delay(3, 50);
      transaction().then(
        (value) => {
          if (isLost) fail(backMs, 'store-answer-lost');
          else process.after(backMs, `${label} answer`, () => resolve(value));
        },
        (error: unknown) => process.after(backMs, `${label} error`, () => reject(error as Error)),
      );
    });
  });
}
