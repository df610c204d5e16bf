import { systemClock, type Clock } from '../../../lib/clock.ts';
import { silentLogger } from '../../../lib/log.ts';
import type { FoldRequest, FoldResult } from '../../../lib/persister/folder.ts';
import { noPersisterMetrics } from '../../../lib/persister/metrics.ts';
import { Snapshotter } from '../../../lib/persister/snapshotter.ts';
import type { DocumentId } from '../../../lib/protocol/ids.ts';
import { MemoryStore } from '../../../lib/store/memory.ts';
import { PERSISTER_CONSUMER } from '../../../lib/store/port.ts';
import { SnapshotPolicy } from '../../../lib/store/snapshot-policy.ts';
import { waitFor } from '../../support/wait.ts';

export const documentOf = (name: string): DocumentId => ({ tenantId: 't', roomId: name, docId: 'd' });

type Fold = (request: FoldRequest) => Promise<FoldResult | undefined>;

/** A snapshotter over a store in memory, with folds that are counted. */
export function setUp(
  options: { fold?: (fold: Fold) => Fold; isAssigned?: (epoch: number) => boolean } = {},
) {
  let timeMs = 0;
  const clock: Clock = { ...systemClock, now: () => timeMs, wallTime: () => timeMs };
  const store = new MemoryStore({ clock });
  const folds: string[] = [];
  const written: number[] = [];
  const quarantined: number[] = [];
  let running = 0;
  let mostAtOnce = 0;
  const foldStored: Fold = async ({ document, epoch, partition }) => {
    folds.push(document.roomId);
    mostAtOnce = Math.max(mostAtOnce, ++running);
    const { generation, storedThrough } = await store.load({ document, epoch, partition });
    await new Promise((resolve) => setImmediate(resolve));
    running--;
    const position = { generation, epoch, partition, offset: storedThrough };
    return { position, update: Uint8Array.of(1), stateVector: Uint8Array.of(2) };
  };
  const snapshotter = new Snapshotter({
    store,
    folder: { fold: options.fold ? options.fold(foldStored) : foldStored },
    policy: new SnapshotPolicy({
      snapshotUpdates: 10,
      snapshotBytes: 1e6,
      snapshotAgeMs: 60_000,
      snapshotBurstMs: 0,
    }),
    clock,
    logger: silentLogger,
    isAssigned: options.isAssigned ?? (() => true),
    sweepMs: 1e6,
    onWritten: (bytes) => written.push(bytes),
    metrics: { ...noPersisterMetrics, quarantined: (records) => quarantined.push(records) },
  });
  let next = 0;
  const put = async (name: string, count: number) => {
    const records = Array.from({ length: count }, (_, n) => ({
      kind: 'update' as const,
      offset: next + n,
      document: documentOf(name),
      generation: 1,
      senderId: 's',
      clientVersion: next + n + 1,
      atMs: 0,
      metadata: {},
      payload: Uint8Array.of(7),
    }));
    const place = { consumer: PERSISTER_CONSUMER, epoch: 1, partition: 0 };
    const { touched } = await store.storeBatch({
      ...place,
      fetchOffset: next,
      nextOffset: next + count,
      records,
    });
    next += count;
    snapshotter.note(touched);
  };
  const idle = () =>
    waitFor(() => {
      const { folding, waiting } = snapshotter.usage();
      return folding + waiting === 0;
    });
  const debt = (name: string) => store.snapshotDebt(documentOf(name));
  return {
    store,
    snapshotter,
    folds,
    written,
    quarantined,
    put,
    idle,
    debt,
    most: () => mostAtOnce,
    pass: (ms: number) => {
      timeMs += ms;
    },
  };
}
