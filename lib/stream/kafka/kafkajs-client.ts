import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import kafkajs, { type ISocketFactory, type Kafka, type LogEntry, type RetryOptions } from 'kafkajs';
import type { Logger } from '../../log.ts';
import { openSocket } from './kafkajs-socket.ts';

/** The part of kafkajs' request queue that the guard needs. */
interface RequestQueue {
  pending: unknown[];
  scheduleCheckPendingRequests(): void;
}

/** All values are given, since kafkajs takes others as its defaults when NODE_ENV is `test`. */
const RETRY = { initialRetryTime: 100, maxRetryTime: 1000, factor: 0.2, multiplier: 2 };

export interface KafkaJsOptions {
  /** Asked at each connect; the first is tried first, and a client stays with one that hangs. */
  brokers: () => readonly string[];
  clientId: string;
  logger: Logger;
  /** How often a failed request is repeated, after 100 ms at first, 1 s at most. */
  retries: number;
  requestTimeoutMs: number;
}

export interface KafkaJsClient {
  readonly kafka: Kafka;
  /**
   * Cuts the connections and allows no new ones: what is in flight fails now, and no request can leave this
   * process later. A `disconnect` does not do that: a send that is being retried connects again.
   */
  abandon(): void;
  /**
   * Cuts the connections to a broker (host:port), so that the next request makes a new one. kafkajs keeps one on which
   * requests time out, and after a network that swallowed everything it would stay deaf for all its retries.
   */
  cut(broker: string): void;
}

/** A kafkajs client of its own: one for each producer and consumer, so that each can be abandoned alone. */
export function createKafkaJsClient(options: KafkaJsOptions): KafkaJsClient {
  guardIdleTimer();
  const sockets = new Map<Socket, string>();
  let abandoned = false;
  const socketFactory: ISocketFactory = ({ host, port, onConnect }) => {
    if (abandoned) throw new Error('The client has been abandoned.');
    const socket = openSocket({ host, port, onConnect });
    sockets.set(socket, `${host}:${port}`);
    socket.once('close', () => sockets.delete(socket));
    return socket;
  };
  const kafka = new kafkajs.Kafka({
    // An empty list is an error that kafkajs does not retry: it ends what an abandoned client still tries.
    brokers: () => (abandoned ? [] : [...options.brokers()]),
    clientId: options.clientId,
    connectionTimeout: 3000,
    requestTimeout: options.requestTimeoutMs,
    retry: retryOptions(options.retries),
    socketFactory,
    logLevel: kafkajs.logLevel.INFO,
    logCreator: () => (entry) => logEntry(options.logger, entry),
  });
  return {
    kafka,
    abandon() {
      abandoned = true;
      for (const socket of sockets.keys()) socket.destroy(new Error('The client has been abandoned.'));
    },
    cut(broker) {
      for (const [socket, of] of sockets)
        if (of === broker) socket.destroy(new Error('The broker did not answer in time.'));
    },
  };
}

/** `restartOnFailure: false` everywhere: kafkajs restarts a crashed consumer in a timer whose failure nobody hears. */
export function retryOptions(retries: number): RetryOptions {
  return { ...RETRY, retries, restartOnFailure: async () => false };
}

/** kafkajs calls an error what it then overcomes by itself; we say at our own levels what comes of it. */
function logEntry(logger: Logger, entry: LogEntry): void {
  const { message, broker, topic, partition, groupId, error } = entry.log as Record<string, unknown>;
  const fields = { namespace: entry.namespace, said: message, broker, topic, partition, groupId, error };
  logger.debug(fields, 'kafkajs');
}

let isGuarded = false;

/**
 * kafkajs 2.2.4 starts a timer with a negative delay after each answer, and again when it fires, for each
 * connection and for ever (TimeoutNegativeWarning, 3–5 % of a core when idle). It is needed only while
 * requests wait, and whoever queues one schedules it again.
 */
function guardIdleTimer(): void {
  if (isGuarded) return;
  isGuarded = true;
  const require = createRequire(import.meta.url);
  const { prototype } = require('kafkajs/src/network/requestQueue') as { prototype: RequestQueue };
  const schedule = prototype.scheduleCheckPendingRequests;
  prototype.scheduleCheckPendingRequests = function (this: RequestQueue) {
    if (this.pending.length > 0) schedule.call(this);
  };
}
