import type { TimerHandle } from '../clock.ts';
import type { DocumentAddress } from '../protocol/ids.ts';
import type { JoinAnswer, LeaveAnswer } from '../protocol/events.ts';
import type { NackCode } from '../protocol/nack-codes.ts';
import { assembleGateway, type GatewayAssembly, type GatewayParts } from './assemble.ts';
import { ClientSession } from './client-session.ts';
import { withDeadline } from './deadline.ts';
import { drain } from './drain.ts';
import type { HostedDocument } from './hosted-document.ts';
import type { AccessControl, ClientTransport, Identity, RoomRegistry } from './port.ts';
import type { PresenceDoor } from './presence-door.ts';

/** A log that does not answer must not hold up the stop. */
const STOP_LIMIT_MS = 5_000;
const RIGHTS_CHECK_MS = 500;

/** The gateway without its transports: sessions in, the log in the middle, frames out. Holds no Y.Doc. */
export class Gateway {
  readonly #parts: GatewayParts;
  readonly #members: GatewayAssembly;
  readonly #timers = new Map<string, TimerHandle>();
  #isStopped = false;
  #isDraining = false;

  constructor(parts: GatewayParts) {
    this.#parts = parts;
    this.#members = assembleGateway(parts);
    const { registry, attempts } = this.#members;
    parts.metrics?.watch('connections', () => this.connections);
    parts.metrics?.watch('rooms', () => registry.rooms);
    parts.metrics?.watch('documents', () => [...registry.members()].length);
    parts.metrics?.watch('append_bytes_pending', () => attempts.pendingBytes);
  }

  get registry(): RoomRegistry<HostedDocument> {
    return this.#members.registry;
  }

  /** Who is in a room: what clients show of themselves comes in here. */
  get presence(): PresenceDoor {
    return this.#members.presence;
  }

  get connections(): number {
    return this.#members.sessions.size;
  }

  /** False while changes of rights could be missed: no connection may be let in. */
  get hearsOfRights(): boolean {
    return this.#members.enforcement?.isReading ?? true;
  }

  /** Who connects, or comes with a new token. One whose session has ended is refused, whatever its token says. */
  async identify(auth: unknown): ReturnType<AccessControl['identify']> {
    const result = await this.#parts.access.identify(auth);
    if (!result.ok) return result;
    const code = await this.refusalOf(result.identity);
    return code === undefined ? result : { ok: false, code };
  }

  /** Why a token is not taken, here or over HTTP: its session has ended, or nobody can tell now. */
  async refusalOf(who: Pick<Identity, 'sessionId'>): Promise<NackCode | undefined> {
    return this.#members.enforcement?.ended.refusalOf(who);
  }

  /** True when the session is known to have ended, maybe since it was identified. */
  hasEnded({ sessionId }: Identity): boolean {
    return sessionId !== undefined && this.#members.enforcement?.ended.has(sessionId) === true;
  }

  /** True from the beginning of a drain: new connections are to be refused. */
  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** False while the log does not take updates, or does not deliver them. */
  get hasLog(): boolean {
    return !this.#members.watch.isAway && this.#members.hosts.isFollowing;
  }

  /** Whether it takes connections and what they write. */
  get canServe(): boolean {
    return this.hasLog && this.hearsOfRights;
  }

  /** Makes or checks the topics of the start; fails with STREAM_PARTITIONS_CHANGED and the like. */
  async start(): Promise<void> {
    const { stream, topics, config } = this.#parts;
    await stream.ensureTopics(topics.staticTopics);
    await this.#members.closing.start();
    this.#every('expire', Math.max(50, config.appendTimeoutMs / 10), () => {
      this.#members.attempts.expire();
      this.#members.watch.check();
    });
    // At once, since no connection is let in before it is heard again.
    this.#members.enforcement?.check();
    if (this.#members.enforcement)
      this.#every('rights', RIGHTS_CHECK_MS, () => this.#members.enforcement?.check());
    this.#every('beat', config.beatIntervalMs, () => {
      this.#members.awareness.beat();
      this.#members.people.beat();
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
      rates: this.#members.rates,
      turns: this.#members.turns,
      metrics: this.#members.metrics,
      onDrained: (subscriptions) => {
        for (const subscription of subscriptions) this.#members.states.resume(subscription);
      },
      onClosed: (closed) => this.#closed(closed),
    });
    this.#members.sessions.add(session);
    if (this.#isStopped) session.close('SERVER_STOPPING');
    return session;
  }

  /** Answers exactly once. */
  join(session: ClientSession, request: unknown, answer: (answer: JoinAnswer) => void): void {
    if (session.isClosed) return;
    void this.#members.joins.join(session, request, answer);
  }

  leave(session: ClientSession, address: DocumentAddress | unknown): LeaveAnswer {
    return this.#members.joins.leave(session, address);
  }

  receive(session: ClientSession, frame: unknown): void {
    this.#members.inbound.frame(session, frame);
  }

  /**
   * Moves the connections to other gateways, at the configured rate and within the configured time. Those that are
   * open go on meanwhile; new ones are to be refused. Who is moved has not left for the others, for the beat time-out.
   */
  async drain(): Promise<void> {
    this.#isDraining = true;
    const { clock, config, logger } = this.#parts;
    if (this.#members.sessions.size === 0) return;
    const moved = await drain({
      clock,
      sessions: this.#members.sessions,
      clientsPerSecond: config.drainClientsPerSecond,
      limitMs: config.drainLimitMs,
      retryAfterMs: config.drainRetryMs,
    });
    this.#members.metrics.drainedConnections.add(moved);
    logger.info({ moved }, 'connections moved');
  }

  /**
   * Tells every connection, then ends follows and timers, within a time limit. What was received is still appended.
   * After a drain nobody is told of those that were moved: the others find out who has not come back in time.
   */
  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
    for (const session of [...this.#members.sessions]) session.close('SERVER_STOPPING');
    // The other gateways are told at once who has gone for good.
    this.#members.fanOut.flush();
    const { clock, logger, checker } = this.#parts;
    const ended = Promise.all([
      this.#members.people.stop(),
      this.#members.hosts.stop(),
      this.#members.awareness.stop(),
      this.#members.closing.stop(),
      checker.close(),
    ]);
    await withDeadline(clock, STOP_LIMIT_MS, ended).catch((error: unknown) => {
      logger.warn({ err: error }, 'gateway not stopped cleanly');
    });
  }

  #closed(session: ClientSession): void {
    this.#members.sessions.delete(session);
    const isMoving = this.#isDraining && session.closedBy === 'SERVER_STOPPING';
    for (const subscription of [...session.subscriptions.values()]) {
      subscription.isMoving = isMoving;
      this.#members.joins.end(session, subscription);
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
