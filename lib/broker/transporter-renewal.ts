import type { ServiceBroker } from 'moleculer';
import { pause, type Clock } from '../clock.ts';
import type { Logger } from '../log.ts';

export interface RenewalParts {
  clock: Clock;
  logger: Logger;
  /** A consumer group that nobody has used: in that of the failed consumer Kafka would wait for it, up to a minute. */
  nextGroup: () => string;
  /** It cannot be made again: this process will not hear any more. */
  onLost: (reason: string) => void;
  /** How long it is tried. */
  limitMs?: number;
}

const LIMIT_MS = 60_000;
const PAUSE_MS = 1_000;

/** The part of Moleculer's Kafka transporter that is made again. */
interface KafkaTransporter {
  opts: { consumer: { groupId?: string } };
  consumer: { close(force: boolean): Promise<void> } | null;
  consumerStream: { destroyed: boolean } | null;
}

interface Transit {
  tx: KafkaTransporter;
  disconnecting: boolean;
  makeSubscriptions(): Promise<void>;
  discoverer: { discoverAllNodes(): Promise<unknown>; sendLocalNodeInfo(): Promise<unknown> };
}

/**
 * Makes the transporter's consumer again when it has failed for good. The library gives up after an answer that it takes
 * for final, and a broker that hung and comes back gives such answers (an offset beyond what it knows yet): all nodes
 * that read from it would fail in the same moment. What was sent meanwhile is lost, as it is to a process that starts:
 * calls are made again by their callers, and nodes are asked who they are.
 */
export function renewTransporter(broker: ServiceBroker, parts: RenewalParts): void {
  let isRenewing = false;
  broker.localBus.on('$transporter.error', ({ type, error }: { type?: string; error?: Error }) => {
    if (type !== 'consumerError' || isRenewing) return; // a failed attempt says it as well
    isRenewing = true;
    void renew(broker, parts, error?.message ?? 'unknown').finally(() => {
      isRenewing = false;
    });
  });
}

async function renew(broker: ServiceBroker, parts: RenewalParts, reason: string): Promise<void> {
  const { clock, logger, nextGroup, onLost, limitMs = LIMIT_MS } = parts;
  const transit = broker.transit as unknown as Transit;
  const deadline = clock.now() + limitMs;
  logger.warn({ reason }, 'the consumer of the transporter has failed: making it again');
  while (!transit.disconnecting) {
    try {
      release(transit.tx, logger);
      transit.tx.opts.consumer.groupId = nextGroup();
      await transit.makeSubscriptions();
      await Promise.all([transit.discoverer.discoverAllNodes(), transit.discoverer.sendLocalNodeInfo()]);
      // It has failed again meanwhile, which nobody has heard: after a pause, and within the limit.
      if (transit.tx.consumerStream?.destroyed) throw new Error('The new consumer has failed.');
      logger.info({}, 'the transporter hears again');
      return;
    } catch (error) {
      logger.debug({ err: error }, 'consumer of the transporter not made');
      if (clock.now() >= deadline) {
        onLost(`the transporter's consumer has failed: ${reason}`);
        return;
      }
      await pause(clock, PAUSE_MS);
    }
  }
}

/** Not waited for: its broker may be the one that does not answer. */
function release(transporter: KafkaTransporter, logger: Logger): void {
  const failed = transporter.consumer;
  transporter.consumer = null;
  failed?.close(true).catch((error: unknown) => {
    logger.debug({ err: error }, 'failed consumer of the transporter not closed in order');
  });
}
