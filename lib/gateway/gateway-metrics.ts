import { noMetrics, type Metrics } from '../metrics.ts';

/** Handles of the gateway's metrics, taken once: they are used for each update. */
export function gatewayMetrics(metrics: Metrics = noMetrics) {
  return {
    updatesReceived: metrics.counter('updates_received_total'),
    updateBytesReceived: metrics.counter('update_bytes_received_total'),
    appends: metrics.counter('appends_total'),
    acks: metrics.counter('acks_total'),
    ackSeconds: metrics.histogram('ack_seconds'),
    nacks: metrics.counter('nacks_total'),
    entriesSent: metrics.counter('entries_sent_total'),
    framesSent: metrics.counter('frames_sent_total'),
    joins: metrics.counter('joins_total'),
    joinSeconds: metrics.histogram('join_seconds'),
    queuesDropped: metrics.counter('queues_dropped_total'),
    slowClientsClosed: metrics.counter('slow_clients_closed_total'),
    rateLimited: metrics.counter('rate_limited_total'),
    awarenessDropped: metrics.counter('awareness_dropped_total'),
    followsDisturbed: metrics.counter('follows_disturbed_total'),
    drainedConnections: metrics.counter('drained_connections_total'),
  };
}

export type GatewayMetrics = ReturnType<typeof gatewayMetrics>;
