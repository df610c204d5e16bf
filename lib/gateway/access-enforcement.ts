import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';
import type { StreamRecord } from '../stream/port.ts';
import { encodePulse, readAccessRecord, type AccessChange } from '../lifecycle/access-record.ts';
import { accessOf } from './account-access.ts';
import { ChangeOrder } from './change-order.ts';
import type { ClientSession } from './client-session.ts';
import { EndedSessions } from './ended-sessions.ts';
import type { Subscription } from './hosted-document.ts';
import type { Joins } from './joins.ts';
import { concerns, type RoomRoles } from './room-roles.ts';

export interface AccessEnforcementParts {
  clock: Clock;
  logger: Logger;
  roles: RoomRoles;
  sessions: ReadonlySet<ClientSession>;
  joins: Pick<Joins, 'end'>;
  /** Ids of service tokens that were revoked and would still be taken; rejects when it cannot be told now. */
  revokedTokens?: () => Promise<readonly string[]>;
  /** Appends to the control topic. */
  append: (record: StreamRecord) => Promise<unknown>;
  /** Of this gateway. */
  id: string;
  ttlMs: number;
  /** Open documents go on for so long beyond `ttlMs` when nobody can be asked, in ms. */
  graceMs: number;
}

const PULSE_MS = 5_000;
/** The control topic counts as unread when the own pulse has not come back for so long. */
const UNREAD_MS = 30_000;
/** While control is unread a decision holds for so long: it is asked for directly. */
const UNREAD_TTL_MS = 5_000;

/**
 * Applies changes of rights to what is open. A change ends the subscription; the client joins again and is answered by
 * a fresh decision: refused, to read only, or to write. So nothing written after the change is heard can be appended
 * by an old right. What was refused is told of the change in the same words, and joined again by the same path.
 */
export class AccessEnforcement {
  readonly #parts: AccessEnforcementParts;
  /** Whose tokens are taken no more. */
  readonly ended: EndedSessions;
  readonly #refreshing = new Set<string>();
  /** When somebody last vouched for an open document, by the clock; also after the decision itself has been forgotten. */
  readonly #vouchedAt = new WeakMap<Subscription, number>();
  readonly #order = new ChangeOrder();
  #pulseSentAt = -Infinity;
  #readAt = -Infinity;

  constructor(parts: AccessEnforcementParts) {
    this.#parts = parts;
    this.ended = new EndedSessions(parts);
  }

  /** True once the control topic is read: until then no connection may be let in, since a change could be missed. */
  get isReading(): boolean {
    return this.#parts.clock.now() - this.#readAt < UNREAD_MS;
  }

  /** Every record of the control topic. */
  onRecord(record: StreamRecord): void {
    const read = readAccessRecord(record);
    if (!read) return;
    if ('pulse' in read) {
      if (read.pulse === this.#parts.id) this.#readAt = this.#parts.clock.now();
    } else this.#changed(read);
  }

  /** Records of the control topic may have been missed. */
  onGap(): void {
    this.#parts.roles.forgetAll();
    this.ended.onGap();
    for (const { session, subscription } of this.#open()) this.#review(session, subscription);
    for (const session of [...this.#parts.sessions]) this.#tellRefused(session);
  }

  /** To be called about once a second. */
  check(): void {
    const { clock, roles, ttlMs, graceMs } = this.#parts;
    if (clock.now() - this.#pulseSentAt >= PULSE_MS) this.#pulse();
    this.ended.check({ isHearing: this.isReading });
    const holdsMs = this.isReading ? ttlMs : UNREAD_TTL_MS;
    roles.believeFor(holdsMs);
    for (const { session, subscription } of this.#open()) {
      const { userId, rooms, tenantId } = session.identity;
      // A token that names its rooms itself is asked for nothing more.
      if (userId === undefined || rooms) continue;
      const decision = roles.decisionOn(userId, subscription.document.id.roomId, tenantId);
      const ageMs = decision ? roles.ageOf(decision) : Infinity;
      const vouchedMs = this.#sinceVouched(subscription, decision?.askedAt);
      // A right that is not known is asked for until it is, also when control is read again meanwhile.
      if (ageMs < holdsMs && subscription.access.write !== 'unknown') continue;
      if (vouchedMs > ttlMs + graceMs) this.#end(session, subscription, 'ACCESS_CHANGED');
      else if (!this.isReading && ageMs > 2 * UNREAD_TTL_MS && subscription.access.write === true)
        subscription.access = { ...subscription.access, write: 'unknown' };
      this.#review(session, subscription);
    }
  }

  #sinceVouched(subscription: Subscription, askedAt: number | undefined): number {
    const now = this.#parts.clock.now();
    const vouchedAt = askedAt ?? this.#vouchedAt.get(subscription) ?? now;
    this.#vouchedAt.set(subscription, vouchedAt);
    return now - vouchedAt;
  }

  #changed(change: AccessChange): void {
    const order = this.#order.take(change);
    if (order === 'known') return;
    // One that comes behind a later change may no longer hold: the next join tells.
    const code = change.revoked && order === 'next' ? 'PERMISSION_DENIED' : 'ACCESS_CHANGED';
    this.#parts.roles.changed(change);
    if (change.sessionId !== undefined) this.ended.onEnded(change.sessionId);
    for (const session of [...this.#parts.sessions]) {
      const { userId } = session.identity;
      for (const subscription of [...session.subscriptions.values()])
        if (concerns(change, { ...subscription.document.id, userId })) this.#end(session, subscription, code);
      // Who has lost a right has not been given one.
      if (code === 'ACCESS_CHANGED') this.#tellRefused(session, change);
    }
  }

  /** Nobody is asked here: that is for the join that follows, at the pace of the connection's joins. */
  #tellRefused(session: ClientSession, change: AccessChange = {}): void {
    const { userId, rooms } = session.identity;
    // A token that names its rooms itself is given nothing by a change.
    if (userId === undefined || rooms) return;
    session.accessChanged(({ roomId }) =>
      concerns(change, { userId, roomId, tenantId: session.tenantOf(roomId) }),
    );
  }

  /** Asks again, and ends the subscription when the answer is another one. */
  #review(session: ClientSession, subscription: Subscription): void {
    const { roles, logger } = this.#parts;
    const { userId, rooms, tenantId } = session.identity;
    const { roomId } = subscription.document.id;
    if (userId === undefined || rooms) return;
    const key = JSON.stringify([userId, roomId, tenantId]);
    if (this.#refreshing.has(key)) return;
    this.#refreshing.add(key);
    roles
      .ask(userId, roomId, tenantId)
      .then(
        () => this.#apply(userId, roomId, tenantId),
        (error: unknown) => logger.warn({ err: error }, 'permissions not looked up: open documents go on'),
      )
      .finally(() => this.#refreshing.delete(key));
  }

  #apply(userId: string, roomId: string, tenantId: string | undefined): void {
    const answer = this.#parts.roles.decisionOn(userId, roomId, tenantId)?.answer;
    for (const { session, subscription } of this.#open()) {
      const { identity } = session;
      if (identity.userId !== userId || identity.tenantId !== tenantId) continue;
      if (subscription.document.id.roomId !== roomId || identity.rooms) continue;
      const { read, write } = accessOf(answer, subscription.document.id);
      if (!read) this.#end(session, subscription, 'PERMISSION_DENIED');
      else if (subscription.access.write === 'unknown' && write)
        subscription.access = { ...subscription.access, write };
      else if (subscription.access.write !== write) this.#end(session, subscription, 'ACCESS_CHANGED');
    }
  }

  #end(
    session: ClientSession,
    subscription: Subscription,
    code: 'PERMISSION_DENIED' | 'ACCESS_CHANGED',
  ): void {
    session.nack(code, { address: subscription.document.address });
    // Who may only have to ask again is not shown to leave and to come.
    subscription.isMoving = code === 'ACCESS_CHANGED';
    if (code === 'PERMISSION_DENIED') session.refused.add(subscription.document.address);
    this.#parts.joins.end(session, subscription);
  }

  *#open(): Iterable<{ session: ClientSession; subscription: Subscription }> {
    for (const session of [...this.#parts.sessions])
      for (const subscription of [...session.subscriptions.values()]) yield { session, subscription };
  }

  #pulse(): void {
    const { clock, append, id, logger } = this.#parts;
    this.#pulseSentAt = clock.now();
    append(encodePulse(id)).catch((error: unknown) => {
      logger.debug({ err: error }, 'pulse not appended');
    });
  }
}
