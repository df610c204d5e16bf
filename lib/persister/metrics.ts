import type { Metrics } from '../metrics.ts';
import type { PersistenceAdapter } from '../store/port.ts';
import type { Persister } from './persister.ts';
import type { RetentionWatch } from './retention-watch.ts';

/** What the persister counts as it works. */
export interface PersisterMetrics {
  stored(records: number): void;
  quarantined(records: number): void;
  batch(outcome: 'ok' | 'failed', durationMs: number): void;
  snapshot(outcome: 'ok' | 'failed' | 'superseded'): void;
}

export const noPersisterMetrics: PersisterMetrics = {
  stored: () => undefined,
  quarantined: () => undefined,
  batch: () => undefined,
  snapshot: () => undefined,
};

export function persisterMetrics(metrics: Metrics): PersisterMetrics {
  const stored = metrics.counter('records_stored_total');
  const quarantined = metrics.counter('records_quarantined_total');
  const batches = metrics.counter('batches_total');
  const seconds = metrics.histogram('batch_seconds');
  const snapshots = metrics.counter('snapshots_total');
  return {
    stored: (records) => stored.add(records),
    quarantined: (records) => quarantined.add(records),
    batch(outcome, durationMs) {
      batches.inc({ outcome });
      seconds.observe(durationMs / 1000);
    },
    snapshot: (outcome) => snapshots.inc({ outcome }),
  };
}

export interface WatchedParts {
  persister: Persister;
  retention: RetentionWatch;
  store: Pick<PersistenceAdapter, 'countQuarantined'>;
}

/** What is asked for when the metrics are read. */
export function watchPersister(metrics: Metrics, { persister, retention, store }: WatchedParts): void {
  metrics.watch('store_out', () => Number(persister.status().storeOut));
  metrics.watch('partitions_assigned', () => persister.assignedPartitions);
  metrics.watch('partitions_blocked', () => persister.status().blocked.length);
  metrics.watch('records_in_quarantine', () => store.countQuarantined());
  metrics.watch('lag_records', () => retention.status().lagRecords);
  metrics.watch('lag_seconds', () => retention.status().oldestUnstoredMs / 1000);
  metrics.watch('retention_used_ratio', () => retention.status().usedRatio);
}
