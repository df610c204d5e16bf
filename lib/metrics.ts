import { NACK_CODES } from './protocol/nack-codes.ts';

/** One row of the list: what Prometheus shows. A label has a closed set of values, so that no id can become one. */
interface MetricRow {
  type: 'counter' | 'gauge' | 'histogram';
  help: string;
  labels?: Readonly<Record<string, readonly string[]>>;
  /** Upper bounds, of a histogram only. */
  buckets?: readonly number[];
}

const OUTCOMES = ['ok', 'failed'] as const;
const NACKS = Object.keys(NACK_CODES) as (keyof typeof NACK_CODES)[];
const LATENCY_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30] as const;

/**
 * Every metric of the project, once; each is shown as `ykafka_<name>`. Counters end in `_total`, units are
 * base units and stand in the name. Never a room, document, user or node id as a label: a label's values are
 * listed here, and what is not listed counts as `other`.
 */
export const METRICS = {
  // every process
  ready: { type: 'gauge', help: '1 when every part of this process can do its work, as /health/ready says.' },
  transporter_connected: {
    type: 'gauge',
    help: '1 while the transporter between the services is connected and hears its own heartbeat.',
  },
  transporter_errors_total: { type: 'counter', help: 'Errors that the transporter reported.' },
  known_nodes: { type: 'gauge', help: 'Nodes that answer, this one included.' },
  tracked_calls: { type: 'gauge', help: 'Calls between services that have not ended.' },
  calls_total: {
    type: 'counter',
    help: 'Calls to services of other processes, by how they ended.',
    labels: { outcome: ['ok', 'failed', 'timeout', 'unavailable'] },
  },
  call_retries_total: { type: 'counter', help: 'Calls that were sent again after a failure.' },

  // gateway
  connections: { type: 'gauge', help: 'Open client connections.' },
  rooms: { type: 'gauge', help: 'Rooms that have a client at this gateway.' },
  documents: { type: 'gauge', help: 'Documents that have a client at this gateway.' },
  updates_received_total: { type: 'counter', help: 'Document updates received from clients.' },
  update_bytes_received_total: { type: 'counter', help: 'Bytes of envelopes received from clients.' },
  appends_total: {
    type: 'counter',
    help: 'Appends to the log, by how they ended.',
    labels: { outcome: OUTCOMES },
  },
  append_bytes_pending: { type: 'gauge', help: 'Bytes that wait to be appended, here and in the producer.' },
  acks_total: { type: 'counter', help: 'Updates whose sender was told their position.' },
  ack_seconds: {
    type: 'histogram',
    help: 'Time from received to acked.',
    buckets: LATENCY_SECONDS,
  },
  nacks_total: { type: 'counter', help: 'Refused updates and joins, by code.', labels: { code: NACKS } },
  entries_sent_total: { type: 'counter', help: 'Entries of the log handed to client connections.' },
  frames_sent_total: { type: 'counter', help: 'Frames handed to client connections.' },
  joins_total: {
    type: 'counter',
    help: 'Joins, by where their state came from.',
    labels: { source: ['ring', 'fastsync', 'refused'] },
  },
  join_seconds: { type: 'histogram', help: 'Time from a join to its answer.', buckets: LATENCY_SECONDS },
  queues_dropped_total: {
    type: 'counter',
    help: 'Queues of a document that were dropped at the bound of a connection and served by resume.',
  },
  slow_clients_closed_total: { type: 'counter', help: 'Connections closed because they did not read.' },
  rate_limited_total: {
    type: 'counter',
    help: 'Updates refused by a rate limit, by what was limited.',
    labels: { scope: ['connection', 'room'] },
  },
  awareness_dropped_total: { type: 'counter', help: 'Awareness messages dropped at a bound.' },
  follows_disturbed_total: { type: 'counter', help: 'Interruptions of following the log.' },
  drained_connections_total: { type: 'counter', help: 'Connections that were asked to move at a stop.' },

  // persister
  records_stored_total: { type: 'counter', help: 'Records put into the store.' },
  batches_total: {
    type: 'counter',
    help: 'Transactions of the persister, by how they ended.',
    labels: { outcome: OUTCOMES },
  },
  batch_seconds: {
    type: 'histogram',
    help: 'Time of one transaction of the persister.',
    buckets: LATENCY_SECONDS,
  },
  records_quarantined_total: {
    type: 'counter',
    help: 'Records that were put aside because nobody can use them.',
  },
  records_in_quarantine: { type: 'gauge', help: 'Records that are in quarantine now, of all processes.' },
  store_out: { type: 'gauge', help: '1 while the store fails and batches wait.' },
  partitions_assigned: { type: 'gauge', help: 'Partitions that this process stores.' },
  partitions_blocked: { type: 'gauge', help: 'Partitions that stand still until somebody acts.' },
  lag_records: {
    type: 'gauge',
    help: 'Records between the stored positions and the end of the log, all partitions.',
  },
  lag_seconds: {
    type: 'gauge',
    help: 'Age of the oldest record that is not stored yet, over all partitions.',
  },
  retention_used_ratio: {
    type: 'gauge',
    help: 'Age of the oldest record that is not stored yet as a part of the retention; at 1 updates are lost for the store.',
  },
  snapshots_total: {
    type: 'counter',
    help: 'Snapshots, by how their making ended.',
    labels: { outcome: [...OUTCOMES, 'superseded'] },
  },

  // fastsync
  sync_answers_total: {
    type: 'counter',
    help: 'Answers to joins, by how they ended.',
    labels: { outcome: OUTCOMES },
  },
  sync_seconds: { type: 'histogram', help: 'Time of one answer to a join.', buckets: LATENCY_SECONDS },
  sync_cache_bytes: { type: 'gauge', help: 'Bytes of document states that are kept for joins.' },

  // codec
  codec_tasks_total: {
    type: 'counter',
    help: 'Tasks on documents in worker threads, by how they ended.',
    labels: { outcome: [...OUTCOMES, 'timeout'] },
  },
  codec_threads_lost_total: { type: 'counter', help: 'Worker threads that were ended by a task.' },
} as const satisfies Record<string, MetricRow>;

type Rows = typeof METRICS;
type NamesOf<T extends MetricRow['type']> = {
  [K in keyof Rows]: Rows[K]['type'] extends T ? K : never;
}[keyof Rows];

export type MetricName = keyof Rows;
export type CounterName = NamesOf<'counter'>;
export type GaugeName = NamesOf<'gauge'>;
export type HistogramName = NamesOf<'histogram'>;

/** A metric without labels takes none; one with labels needs each of them. */
type LabelArguments<N extends MetricName> = Rows[N] extends {
  labels: infer L extends Record<string, readonly string[]>;
}
  ? [labels: { [K in keyof L]: L[K][number] }]
  : [];

export interface Counter<N extends CounterName> {
  inc(...labels: LabelArguments<N>): void;
  /** Adds a number ≥ 0. */
  add(amount: number, ...labels: LabelArguments<N>): void;
}

export interface Gauge<N extends GaugeName> {
  set(value: number, ...labels: LabelArguments<N>): void;
}

export interface Histogram<N extends HistogramName> {
  observe(value: number, ...labels: LabelArguments<N>): void;
}

/** What a process measures of itself. Handles are cheap: take them once and keep them. Nothing here throws. */
export interface Metrics {
  counter<N extends CounterName>(name: N): Counter<N>;
  gauge<N extends GaugeName>(name: N): Gauge<N>;
  histogram<N extends HistogramName>(name: N): Histogram<N>;
  /**
   * Asks for the value of a gauge whenever it is read, instead of keeping it up to date; undefined or a failure
   * leaves the last one. Replaces an earlier question of the same gauge.
   */
  watch(name: GaugeName, read: () => number | undefined | Promise<number | undefined>): void;
  /** Everything in the text format of Prometheus, Node's own metrics with it. */
  text(): Promise<string>;
  readonly contentType: string;
}

const nothing = () => undefined;
/** For tests and tools that measure nothing. */
export const noMetrics: Metrics = {
  counter: () => ({ inc: nothing, add: nothing }),
  gauge: () => ({ set: nothing }),
  histogram: () => ({ observe: nothing }),
  watch: nothing,
  text: () => Promise.resolve(''),
  contentType: 'text/plain',
};
