import type { Stream } from '../../../lib/stream/port.ts';
import { waitFor } from '../wait.ts';
import { judge, type AckedUpdate, type FinalState, type Verdict } from '../oracle/index.ts';
import { readLog } from './read-log.ts';
import type { StoreReader } from './read-store.ts';
import { RecordingClient } from './recording-client.ts';

export interface GatherOptions {
  urls: readonly string[];
  /** Clients that are still connected; they must be quiet. */
  clients: readonly RecordingClient[];
  /** All that was acked, to clients that have left as well. */
  acks: readonly AckedUpdate[];
  rooms: readonly string[];
  stream: Stream;
  store: StoreReader;
  docTopic: string;
  partitions: number;
  timeoutMs?: number;
}

/** Resolves when every client has everything acked and the clients of a document have the same text. */
export async function untilQuiet(clients: readonly RecordingClient[], timeoutMs = 60_000): Promise<void> {
  const isBusy = (client: RecordingClient) => !client.isSynced || client.hasUnacked;
  await waitFor(() => !clients.some(isBusy), { timeoutMs, intervalMs: 100, what: 'all is acked' }).catch(
    (cause: unknown) => {
      const names = clients.filter(isBusy).map(({ name, document }) => `${name} of ${document}`);
      throw new Error(`Not all is acked: ${names.slice(0, 5).join(', ')} (${names.length} clients)`, {
        cause,
      });
    },
  );
  await waitFor(
    () => {
      const texts = new Map<string, string>();
      return clients.every(({ document, text }) => {
        const own = text.toString();
        const other = texts.get(document) ?? own;
        texts.set(document, other);
        return own === other;
      });
    },
    { timeoutMs, intervalMs: 250, what: 'the clients of each document show the same text' },
  );
}

/** Waits until everything is stored, reads log, rows and a fresh state of each room, and judges them. */
export async function gatherAndJudge(options: GatherOptions): Promise<Verdict & { records: number }> {
  const { clients, acks, rooms, stream, store, docTopic, partitions, timeoutMs = 120_000 } = options;
  const epoch = await store.epochOf(docTopic);
  await waitFor(
    async () => {
      const stored = await store.positions(epoch);
      for (let partition = 0; partition < partitions; partition++) {
        const end = await stream.endOffset({ topic: docTopic, partition });
        if (end > (stored.get(partition) ?? 0)) return false;
      }
      return true;
    },
    { timeoutMs, intervalMs: 250, what: 'all that is in the log is stored' },
  );
  const states: FinalState[] = [];
  for (const room of rooms) states.push(await freshState(options.urls, room, timeoutMs));
  states.push(...clients.map((client) => client.state()));
  const [rows, quarantined, log] = await Promise.all([
    store.rows(),
    store.quarantined(),
    readLog(stream, { topic: docTopic, partitions, epoch }),
  ]);
  return { ...judge({ acks, states, rows, quarantined, log }), records: log.length };
}

async function freshState(urls: readonly string[], room: string, timeoutMs: number): Promise<FinalState> {
  const fresh = new RecordingClient({ urls, room, name: 'fresh' });
  try {
    await waitFor(() => fresh.isSynced, { timeoutMs, what: `a fresh client of ${room}` });
    return fresh.state(true);
  } finally {
    fresh.close();
  }
}
