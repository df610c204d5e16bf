import type { Middleware, ServiceBroker } from 'moleculer';
import type { Clock, TimerHandle } from '../clock.ts';
import type { Logger } from '../log.ts';
import type { Metrics } from '../metrics.ts';

/** How often a node tells that it is alive, in seconds, as Moleculer wants it; half a second more or less. */
export const BEAT_SECONDS = 2;

const CHECK_MS = 500;
/** A node that was not heard for so long is taken as gone; its pending calls go to others. */
const SILENCE_MS = 6_000;
/** Longest time between two own beats that come back. */
const BEAT_BACK_MS = 4_000;
/**
 * Since the first beat that was sent and has not come back. Not counted in beats: after an outage all that
 * waited are sent at once.
 */
const DEAF_MS = 60_000;

export interface NodeWatchParts {
  clock: Clock;
  logger: Logger;
  metrics: Metrics;
  /** Beats go out but nothing comes in any more. Called once. */
  onDeaf?: () => void;
}

export interface NodeWatch {
  readonly middleware: Middleware;
  /** Whether the transporter is connected and this node hears its own beats. True where there is no transporter. */
  isHearing(): boolean;
  /** Nodes that answer, this one included. */
  nodes(): number;
}

interface Packet {
  type: string;
  payload: { sender?: string; instanceID?: string };
}

interface Registry {
  nodes: {
    toArray(): { id: string; local: boolean; available: boolean }[];
    disconnected(nodeId: string, isUnexpected: boolean): void;
  };
}

interface Transit {
  removePendingRequestByNodeID(nodeId: string): void;
}

/**
 * Tells who is there. Beats lie in one partition of the log, so a node that hears its own beat has heard all that
 * others sent before: only then does silence mean that somebody has gone. After a pause of its own, or while Kafka
 * is away, it judges nobody.
 */
export class TransporterWatch implements NodeWatch {
  readonly middleware: Middleware;
  readonly #parts: NodeWatchParts;
  readonly #heard = new Map<string, number>();
  /** The process that was heard last under each node id. */
  readonly #instances = new Map<string, string>();
  #broker: ServiceBroker | undefined;
  #timer: TimerHandle | undefined;
  #isConnected = false;
  #isDisturbed = false;
  #isDeaf = false;
  #ownBeatAt = -Infinity;
  #unheardSince: number | undefined;
  #sentAt = -Infinity;

  constructor(parts: NodeWatchParts) {
    this.#parts = parts;
    const watch = (broker: ServiceBroker) => this.#watch(broker);
    const unwatch = () => this.#timer?.cancel();
    const receive = (packet: Packet) => this.#receive(packet);
    const beatSent = () => this.#beatSent();
    // Others notice a restart by it, and this node knows its own beats from those of another under its id.
    const name = ({ payload }: Packet) => (payload.instanceID = this.#broker?.instanceID ?? '');
    this.middleware = {
      name: 'TransporterWatch',
      created: watch,
      stopping: unwatch,
      transitMessageHandler: (next: (command: string, packet: Packet) => unknown) =>
        function take(this: unknown, command: string, packet: Packet) {
          if (command === 'HEARTBEAT' || command === 'INFO') receive({ ...packet, type: command });
          return next.call(this, command, packet);
        },
      transitPublish: (next: (packet: Packet) => Promise<unknown>) =>
        async function publish(this: unknown, packet: Packet) {
          if (packet.type === 'HEARTBEAT') name(packet);
          const sent = await next.call(this, packet);
          if (packet.type === 'HEARTBEAT') beatSent();
          return sent;
        },
      // Moleculer's types describe what these hooks return as what they are.
    } as unknown as Middleware;
  }

  isHearing(): boolean {
    if (!this.#broker) return false; // the process has only begun
    if (!this.#broker.transit) return true;
    return this.#isConnected && this.#parts.clock.now() - this.#ownBeatAt < 2 * BEAT_BACK_MS;
  }

  nodes(): number {
    return this.#broker
      ? registryOf(this.#broker)
          .nodes.toArray()
          .filter(({ available }) => available).length
      : 0;
  }

  #watch(broker: ServiceBroker): void {
    this.#broker = broker;
    const { clock, metrics } = this.#parts;
    metrics.watch('tracked_calls', () => trackedCalls(broker));
    metrics.watch('known_nodes', () => this.nodes());
    if (!broker.transit) return;
    metrics.watch('transporter_connected', () => Number(this.isHearing()));
    const errors = metrics.counter('transporter_errors_total');
    broker.localBus.on('$transporter.connected', () => {
      this.#isConnected = true;
      this.#ownBeatAt = clock.now();
      this.#schedule();
    });
    broker.localBus.on('$transporter.disconnected', () => {
      this.#isConnected = false;
    });
    broker.localBus.on('$transporter.error', ({ error, type }: { error?: Error; type?: string }) => {
      errors.inc();
      if (this.#isDisturbed) return;
      this.#isDisturbed = true;
      this.#parts.logger.warn({ type, reason: error?.message }, 'transporter disturbed');
    });
  }

  #schedule(): void {
    this.#timer?.cancel();
    this.#timer = this.#parts.clock.setTimeout(() => {
      this.#judge();
      this.#schedule();
    }, CHECK_MS);
  }

  #receive({ type, payload }: Packet): void {
    const { sender, instanceID } = payload ?? {};
    if (sender === undefined) return;
    const now = this.#parts.clock.now();
    this.#heard.set(sender, now);
    this.#noteInstance(sender, instanceID);
    if (type !== 'HEARTBEAT' || sender !== this.#broker?.nodeID || instanceID !== this.#broker.instanceID)
      return;
    this.#ownBeatAt = now;
    this.#unheardSince = undefined;
    if (!this.#isDisturbed) return;
    this.#isDisturbed = false;
    this.#parts.logger.info({}, 'transporter works again');
  }

  /** What was asked of a process that another one has taken the place of is never answered: it goes to others now. */
  #noteInstance(nodeId: string, instanceId: string | undefined): void {
    if (!instanceId || nodeId === this.#broker?.nodeID) return;
    const before = this.#instances.get(nodeId);
    this.#instances.set(nodeId, instanceId);
    if (before === undefined || before === instanceId) return;
    this.#parts.logger.info({ restarted: nodeId }, 'node has begun anew');
    (this.#broker!.transit as unknown as Transit).removePendingRequestByNodeID(nodeId);
  }

  #beatSent(): void {
    const now = this.#parts.clock.now();
    // Beats that failed in between: an outage is over, and what was sent before it may be lost.
    if (now - this.#sentAt > 2 * BEAT_BACK_MS) this.#unheardSince = undefined;
    this.#sentAt = now;
    this.#unheardSince ??= now;
    if (now - this.#unheardSince < DEAF_MS || this.#isDeaf) return;
    this.#isDeaf = true;
    this.#parts.onDeaf?.();
  }

  #judge(): void {
    const now = this.#parts.clock.now();
    if (now - this.#ownBeatAt > BEAT_BACK_MS) return;
    const { nodes } = registryOf(this.#broker!);
    const known = new Set<string>();
    for (const { id, local, available } of nodes.toArray()) {
      if (local || !available) continue;
      known.add(id);
      const heardAt = this.#heard.get(id);
      if (heardAt === undefined) this.#heard.set(id, now);
      else if (now - heardAt > SILENCE_MS) {
        this.#parts.logger.warn(
          { silent: id, silenceMs: Math.round(now - heardAt) },
          'node is silent: taken as gone',
        );
        nodes.disconnected(id, true);
      }
    }
    for (const id of this.#heard.keys()) if (!known.has(id)) this.#heard.delete(id);
    // One that was silent may come back as another process: its calls have gone to others already.
    for (const id of this.#instances.keys()) if (!known.has(id)) this.#instances.delete(id);
  }
}

/** Calls that have not ended, those that this process answers and those that it waits for. */
export function trackedCalls(broker: ServiceBroker): number {
  const lists = [broker, ...broker.services] as unknown as { _trackedContexts?: unknown[] }[];
  return lists.reduce((count, { _trackedContexts }) => count + (_trackedContexts?.length ?? 0), 0);
}

function registryOf(broker: ServiceBroker): Registry {
  return broker.registry as unknown as Registry;
}
