import { systemClock } from '../../../lib/clock.ts';
import { MemoryStore } from '../../../lib/store/memory.ts';
import type { IncomingBatch, IncomingRecord, PersistenceAdapter } from '../../../lib/store/port.ts';

export type Make = (store: MemoryStore) => Partial<PersistenceAdapter>;

/** By what the adapter does, and the check that must fail. */
export type Breaks = Record<string, { make: Make; fails: string }>;

export const only = (batch: IncomingBatch, keep: (record: IncomingRecord) => boolean): IncomingBatch => ({
  ...batch,
  records: batch.records.filter(keep),
});

/** The adapter with some methods replaced; the rest works on the same store. */
export function withBroken(make: Make): PersistenceAdapter {
  const store = new MemoryStore({ clock: systemClock });
  const replaced = make(store);
  return new Proxy(store, {
    get(target, name) {
      const own = Reflect.get(replaced, name) as unknown;
      const found = own ?? (Reflect.get(target, name) as unknown);
      return typeof found === 'function' ? (found.bind(own ? replaced : target) as unknown) : found;
    },
  });
}
