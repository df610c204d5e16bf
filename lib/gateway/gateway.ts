import type { Clock, TimerHandle } from '../clock.ts';
import type { Config } from '../config.ts';
import type { Logger } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import { SharedPresence, type PresenceBus, type PresenceBusEvents } from '../presence/shared-presence.ts';
import type { DocumentAddress } from '../protocol/ids.ts';
import type { JoinAnswer, LeaveAnswer } from '../protocol/events.ts';
import { DEFAULT_LIMITS, type ProtocolLimits } from '../protocol/limits.ts';
import type { Stream } from '../stream/port.ts';
import type { TopicResolver } from '../stream/topics.ts';
import type { SyncSource } from '../sync/port.ts';
import { AccessEnforcement } from './access-enforcement.ts';
import { Appender } from './appender.ts';
import { AwarenessChannel } from './awareness-channel.ts';
import { ChunkTurns } from './chunk-turns.ts';
import { ClientSession } from './client-session.ts';
import { ControlClosing } from './control-closing.ts';
import { withDeadline } from './deadline.ts';
import { DocumentHosts } from './document-hosts.ts';
import { drain } from './drain.ts';
import { FanOut } from './fan-out.ts';
import { gatewayMetrics, type GatewayMetrics } from './gateway-metrics.ts';
import type { HostedDocument, Subscription } from './hosted-document.ts';
import { Inbound } from './inbound.ts';
import { Joins } from './joins.ts';
import { LogWatch } from './log-watch.ts';
import type { AccessControl, ClientTransport, Identity, RoomRegistry } from './port.ts';
import { PresenceDoor } from './presence-door.ts';
import { PresenceTopic } from './presence-topic.ts';
import { RateLimits } from './rate-limits.ts';
import { DefaultRoomRegistry } from './room-registry.ts';
import type { RoomRoles } from './room-roles.ts';
import { StateDelivery } from './state-delivery.ts';
import type { UpdateChecker } from './update-check.ts';
import { UpdateAttempts } from './update-attempts.ts';
import { UpdateDoor } from './update-door.ts';

export interface GatewayParts {
  config: Config;
  clock: Clock;
  logger: Logger;
  stream: Stream;
  topics: TopicResolver;
  sync: SyncSource;
  access: AccessControl;
  checker: UpdateChecker;
  /** Roles of people in rooms, whose changes are heard on the control topic; without it the rights of a connection last. */
  roles?: RoomRoles;
  /** Where gateways tell each other who is there; the awareness topics when it is left out. */
  presenceBus?: (gatewayId: string, events: PresenceBusEvents) => PresenceBus;
  randomId: () => string;
  metrics?: Metrics;
  registry?: RoomRegistry<HostedDocument>;
}

/** A document and a follow without subscriptions last this long: a page that is loaded again finds them. */
const LINGER_MS = 10_000;
/** A log that does not answer must not hold up the stop. */
const STOP_LIMIT_MS = 5_000;
const MAKE_TOPIC_INTERVAL_MS = 50;
const RIGHTS_CHECK_MS = 500;

/** The gateway without its transports: sessions in, the log in the middle, frames out. Holds no Y.Doc. */
export class Gateway {
  readonly registry: RoomRegistry<HostedDocument>;
  readonly access: AccessControl;
  /** Who is in a room: what clients show of themselves comes in here. */
  readonly presence: PresenceDoor;
  readonly #parts: GatewayParts;
  readonly #sessions = new Set<ClientSession>();
  readonly #hosts: DocumentHosts;
  readonly #awareness: AwarenessChannel;
  readonly #people: SharedPresence;
  readonly #fanOut: FanOut;
  readonly #joins: Joins;
  readonly #closing: ControlClosing;
  readonly #enforcement: AccessEnforcement | undefined;
  readonly #states: StateDelivery;
  readonly #inbound: Inbound;
  readonly #attempts: UpdateAttempts;
  readonly #watch: LogWatch;
  readonly #rates: RateLimits;
  readonly #turns: ChunkTurns;
  readonly #metrics: GatewayMetrics;
  readonly #timers = new Map<string, TimerHandle>();
  #isStopped = false;
  #isDraining = false;

  constructor(parts: GatewayParts) {
    this.#parts = parts;
    this.access = parts.access;
    this.registry = parts.registry ?? new DefaultRoomRegistry<HostedDocument>();
    const { config, clock } = parts;
    const metrics = (this.#metrics = gatewayMetrics(parts.metrics));
    const rates = (this.#rates = new RateLimits(config));
    this.#turns = new ChunkTurns(clock);
    const watch = new LogWatch({ ...parts, probe: (target) => parts.stream.endOffset(target) });
    this.#watch = watch;
    const own = { registry: this.registry, lingerMs: LINGER_MS, limits: limitsOf(config), metrics, rates };
    const shared = { ...parts, ...own };
    const appender = new Appender({
      ...shared,
      controlTopic: parts.topics.controlTopic,
      knownTopics: parts.topics.staticTopics.map(({ topic }) => topic),
      makeIntervalMs: MAKE_TOPIC_INTERVAL_MS,
      maxMakeWaitMs: config.appendTimeoutMs,
    });
    const fanOut = new FanOut({
      clock,
      metrics,
      flushAwareness: (document) => this.#awareness.flush(document),
      onUnbased: (document) => this.#resumeAll(document, 'live'),
      onDeleted: (document) => this.#closing.close(document),
    });
    this.#fanOut = fanOut;
    const gatewayId = parts.randomId();
    const { beatTimeoutMs } = config;
    const awareness = new AwarenessChannel({
      ...shared,
      appender,
      gatewayId,
      beatTimeoutMs,
      onChanged: (document) => fanOut.schedule(document),
    });
    this.#awareness = awareness;
    this.presence = new PresenceDoor({ ...shared, presence: () => this.#people });
    this.#people = new SharedPresence({
      ...shared,
      gatewayId,
      beatTimeoutMs,
      openBus: (events) =>
        parts.presenceBus?.(gatewayId, events) ??
        new PresenceTopic({ ...shared, appender, channel: awareness, gatewayId, events }),
      onChange: (room, change) => this.presence.changed(room, change),
    });
    this.#hosts = new DocumentHosts({
      ...shared,
      ringBytes: config.ringBytes,
      onEvent: (document) => fanOut.schedule(document),
      onReset: (document) => this.#resumeAll(document, 'all'),
    });
    this.#states = new StateDelivery({
      ...shared,
      ...config,
      onState: (subscription) => {
        awareness.sendAll(subscription);
        this.presence.entered(subscription);
      },
      onEvent: ({ document }) => fanOut.schedule(document),
      onDeleted: ({ document }) => this.#closing.close(document),
    });
    this.#joins = new Joins({
      ...shared,
      ...config,
      hosts: this.#hosts,
      states: this.#states,
      onSubscribed: ({ document }) => awareness.open(document),
      onLeft: (subscription) => {
        awareness.left(subscription);
        this.presence.left(subscription);
      },
    });
    const { controlTopic } = parts.topics;
    const enforcement = parts.roles && this.#enforcementOf(parts.roles);
    this.#enforcement = enforcement;
    this.#closing = new ControlClosing({
      ...shared,
      controlTopic,
      sessions: this.#sessions,
      joins: this.#joins,
      onRecord: (record) => enforcement?.onRecord(record),
      onGap: () => enforcement?.onGap(),
    });
    this.#attempts = new UpdateAttempts({
      ...shared,
      appender,
      watch,
      appendTimeoutMs: config.appendTimeoutMs,
    });
    const updates = new UpdateDoor({
      ...shared,
      attempts: this.#attempts,
      maxWaitingBytes: Math.max(config.maxQueueBytes, 2 * config.maxUpdateBytes),
    });
    this.#inbound = new Inbound({
      ...shared,
      states: this.#states,
      awareness: this.#awareness,
      updates,
    });
    this.registry.onRemove((document) => this.#awareness.close(document));
    parts.metrics?.watch('connections', () => this.connections);
    parts.metrics?.watch('rooms', () => this.registry.rooms);
    parts.metrics?.watch('documents', () => [...this.registry.members()].length);
    parts.metrics?.watch('append_bytes_pending', () => this.#attempts.pendingBytes);
  }

  get connections(): number {
    return this.#sessions.size;
  }

  /** False while changes of rights could be missed: no connection may be let in. */
  get hearsOfRights(): boolean {
    return this.#enforcement?.isReading ?? true;
  }

  /** False for one whose session is known to have ended, whatever its token says. */
  admits({ sessionId }: Identity): boolean {
    return sessionId === undefined || this.#enforcement?.hasEnded(sessionId) !== true;
  }

  /** True from the beginning of a drain: new connections are to be refused. */
  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** False while the log does not take updates, or does not deliver them. */
  get hasLog(): boolean {
    return !this.#watch.isAway && this.#hosts.isFollowing;
  }

  /** Makes or checks the topics of the start; fails with STREAM_PARTITIONS_CHANGED and the like. */
  async start(): Promise<void> {
    const { stream, topics, config } = this.#parts;
    await stream.ensureTopics(topics.staticTopics);
    await this.#closing.start();
    this.#every('expire', Math.max(50, config.appendTimeoutMs / 10), () => {
      this.#attempts.expire();
      this.#watch.check();
    });
    if (this.#enforcement) this.#every('rights', RIGHTS_CHECK_MS, () => this.#enforcement?.check());
    this.#every('beat', config.beatIntervalMs, () => {
      this.#awareness.beat();
      this.#people.beat();
      this.presence.beat();
    });
  }

  /** A connection that has passed the handshake. */
  open(transport: ClientTransport, identity: Identity, clientAddress?: string): ClientSession {
    const { config, clock, randomId } = this.#parts;
    const session = new ClientSession({
      id: randomId(),
      identity,
      clientAddress,
      transport,
      config,
      clock,
      rates: this.#rates,
      turns: this.#turns,
      metrics: this.#metrics,
      onDrained: (subscriptions) => {
        for (const subscription of subscriptions) this.#states.resume(subscription);
      },
      onClosed: (closed) => this.#closed(closed),
    });
    this.#sessions.add(session);
    if (this.#isStopped) session.close('SERVER_STOPPING');
    return session;
  }

  /** Answers exactly once. */
  join(session: ClientSession, request: unknown, answer: (answer: JoinAnswer) => void): void {
    if (session.isClosed) return;
    void this.#joins.join(session, request, answer);
  }

  leave(session: ClientSession, address: DocumentAddress | unknown): LeaveAnswer {
    return this.#joins.leave(session, address);
  }

  receive(session: ClientSession, frame: unknown): void {
    this.#inbound.frame(session, frame);
  }

  /**
   * Moves the connections to other gateways, at the configured rate and within the configured time. Those that are
   * open go on meanwhile; new ones are to be refused.
   */
  async drain(): Promise<void> {
    this.#isDraining = true;
    const { clock, config, logger } = this.#parts;
    if (this.#sessions.size === 0) return;
    const moved = await drain({
      clock,
      sessions: this.#sessions,
      clientsPerSecond: config.drainClientsPerSecond,
      limitMs: config.drainLimitMs,
      retryAfterMs: config.drainRetryMs,
    });
    this.#metrics.drainedConnections.add(moved);
    logger.info({ moved }, 'connections moved');
  }

  /** Tells every connection, then ends follows and timers, within a time limit. What was received is still appended. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
    for (const session of [...this.#sessions]) session.close('SERVER_STOPPING');
    // The other gateways are told at once who has gone.
    this.#fanOut.flush();
    const { clock, logger, checker } = this.#parts;
    const ended = Promise.all([
      this.#people.stop(),
      this.#hosts.stop(),
      this.#awareness.stop(),
      this.#closing.stop(),
      checker.close(),
    ]);
    await withDeadline(clock, STOP_LIMIT_MS, ended).catch((error: unknown) => {
      logger.warn({ err: error }, 'gateway not stopped cleanly');
    });
  }

  #enforcementOf(roles: RoomRoles): AccessEnforcement {
    const { config, stream, topics, randomId, clock, logger } = this.#parts;
    return new AccessEnforcement({
      clock,
      logger,
      roles,
      sessions: this.#sessions,
      joins: this.#joins,
      append: (record) => stream.append({ topic: topics.controlTopic, partition: 0 }, [record]),
      id: randomId(),
      ttlMs: config.accessTtlMs,
      graceMs: config.accessGraceMs,
    });
  }

  #closed(session: ClientSession): void {
    this.#sessions.delete(session);
    for (const subscription of [...session.subscriptions.values()]) this.#joins.end(session, subscription);
  }

  /** Every subscription needs a state of the gateway's own; those under way get one anyway. */
  #resumeAll(document: HostedDocument, which: 'live' | 'all'): void {
    const subscriptions: Subscription[] = [...document.subscriptions];
    for (const subscription of subscriptions) {
      if (which === 'live' && !subscription.isLive) continue;
      subscription.isLive = false;
      this.#states.resume(subscription);
    }
  }

  #every(name: string, intervalMs: number, work: () => void): void {
    const timer = this.#parts.clock.setTimeout(() => {
      this.#every(name, intervalMs, work);
      work();
    }, intervalMs);
    this.#timers.set(name, timer);
  }
}

function limitsOf(config: Config): ProtocolLimits {
  return {
    maxMetadataBytes: config.maxMetadataBytes,
    maxIdBytes: DEFAULT_LIMITS.maxIdBytes,
    maxUpdateBytes: config.maxUpdateBytes,
    maxFrameBytes: config.maxFrameBytes,
    maxDocumentsPerSocket: config.maxDocumentsPerSocket,
  };
}
