import type { Wire } from './clients.ts';

/** What one load process does. Rooms and senders are numbered over all processes. */
export interface LoadSpec {
  wire: Wire;
  url: string;
  roomPrefix: string;
  rooms: number;
  clientsPerRoom: number;
  /** This process has the clients whose number modulo `processes` is `process`. */
  process: number;
  processes: number;
  /** Paced: updates each second of all clients together. Full: updates each client keeps on their way. */
  pace: { kind: 'paced'; updatesPerSecond: number } | { kind: 'full'; window: number };
  warmUpMs: number;
  measureMs: number;
}

/** From the load process to the harness. */
export type LoadReport =
  | { event: 'connected' }
  | { event: 'measuring' }
  | { event: 'measured' }
  | ({ event: 'done' } & LoadResult)
  | { event: 'failed'; message: string };

export interface LoadResult {
  /** Updates sent while measuring, and what arrived of others' meanwhile. */
  sent: number;
  deliveries: number;
  measuredMs: number;
  /** Of all updates of the run, once nothing came any more: how many deliveries never happened. */
  missing: number;
  /** Counts of latency in the buckets of a Histogram. */
  latency: number[];
  /** CPU seconds of this load process while measuring. */
  cpuSeconds: number;
  troubles: Record<string, number>;
}
