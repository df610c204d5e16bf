import { LRUCache } from 'lru-cache';
import type { DocumentLimit } from '../accounts/document-limits.ts';
import type { Clock } from '../clock.ts';
import type { AccessChange } from '../lifecycle/access-record.ts';
import type { FoundRole, SharedRoles } from './shared-roles.ts';

export type RoomRole = 'viewer' | 'editor' | 'owner';

/** What somebody is in a room, whose the room is, and what documents of it take from that; undefined for a stranger and for no such room. */
export type RoleAnswer =
  { role: RoomRole; tenantId: string; limits?: readonly DocumentLimit[] | undefined } | undefined;

export interface RoomRolesParts {
  clock: Clock;
  /** Asks whoever decides; rejects when it cannot be told now. `tenantId` is given when the token says it. */
  lookUp: (userId: string, roomId: string, tenantId?: string) => Promise<RoleAnswer>;
  /** A decision is believed for so long when nothing is heard, in ms. */
  ttlMs: number;
  /** Asked before `lookUp`, which it asks itself. */
  shared?: Pick<SharedRoles, 'lookUp' | 'changed' | 'forgetAll'>;
}

export interface Decision {
  readonly answer: RoleAnswer;
  /** When it was asked for, by the clock. */
  readonly askedAt: number;
}

interface Asking {
  userId: string;
  roomId: string;
  tenantId: string | undefined;
  isOutdated: boolean;
  /** No answer that somebody keeps, but that of whoever decides. */
  isDirect: boolean;
  found: Promise<FoundRole>;
}

export interface RoleQuestion {
  userId: string;
  roomId: string;
  /** As the token says it: the same user id may be somebody else in another tenant. */
  tenantId?: string | undefined;
  /** Whether an answer lets her do what she wants. One that does not is only taken from whoever decides, asked now. */
  suffices: (answer: RoleAnswer) => boolean;
}

/** Pairs of user and room that are remembered. */
const MAX_DECISIONS = 50_000;

/**
 * The gateway's memory of decisions (design rule 11). What changes is heard on the control topic; a look-up during
 * which a change for it arrives is made again, since its answer may be of before.
 */
export class RoomRoles {
  readonly #parts: RoomRolesParts;
  readonly #decisions = new LRUCache<string, Decision>({ max: MAX_DECISIONS });
  readonly #asking = new Map<string, Asking>();
  #believedMs: number;

  constructor(parts: RoomRolesParts) {
    this.#parts = parts;
    this.#believedMs = parts.ttlMs;
  }

  /** From now on what is older is asked for anew. */
  believeFor(ms: number): void {
    this.#believedMs = ms;
  }

  /**
   * At once when it is known, believed and suffices; asks otherwise: who has just been given a right comes at once,
   * maybe before the change is heard here, and who is turned away is not called back.
   */
  roleOf(question: RoleQuestion): RoleAnswer | Promise<RoleAnswer> {
    const { userId, roomId, tenantId, suffices } = question;
    const known = this.decisionOn(userId, roomId, tenantId);
    const isBelieved = known?.answer !== undefined && this.ageOf(known) < this.#believedMs;
    if (isBelieved && suffices(known.answer)) return known.answer;
    return this.#sufficient(question, isBelieved);
  }

  /** What is remembered, however old. */
  decisionOn(userId: string, roomId: string, tenantId?: string): Decision | undefined {
    return this.#decisions.get(keyOf(userId, roomId, tenantId));
  }

  ageOf({ askedAt }: Decision): number {
    return this.#parts.clock.now() - askedAt;
  }

  /** Asks anew; one question at a time for a pair. */
  ask(userId: string, roomId: string, tenantId?: string): Promise<RoleAnswer> {
    const under = this.#asking.get(keyOf(userId, roomId, tenantId));
    return (under ?? this.#begin({ userId, roomId, tenantId }, false)).found.then(({ answer }) => answer);
  }

  async #sufficient(question: RoleQuestion, isRefusedByMemory: boolean): Promise<RoleAnswer> {
    const key = keyOf(question.userId, question.roomId, question.tenantId);
    const under = this.#asking.get(key);
    if (under || !isRefusedByMemory) {
      const { answer, isKept } = await (under ?? this.#begin(question, false)).found;
      // One that was under way may have been read before the right was given; so may one that others keep.
      if (question.suffices(answer) || (!under && !isKept)) return answer;
    }
    // Those who waited for the same answer go on with one question.
    const since = this.#asking.get(key) ?? this.#begin(question, true);
    if (!since.isDirect) Object.assign(since, { isDirect: true, isOutdated: true });
    return (await since.found).answer;
  }

  #begin({ userId, roomId, tenantId }: Omit<RoleQuestion, 'suffices'>, isDirect: boolean): Asking {
    const key = keyOf(userId, roomId, tenantId);
    const found = Promise.resolve({ answer: undefined, ageMs: 0, isKept: false });
    const asking: Asking = { userId, roomId, tenantId, isOutdated: false, isDirect, found };
    asking.found = this.#lookUp(asking).finally(() => this.#asking.delete(key));
    this.#asking.set(key, asking);
    return asking;
  }

  /** Forgets what the change may have made wrong. */
  changed(change: AccessChange): void {
    this.#parts.shared?.changed(change);
    for (const [key, { answer }] of this.#decisions.entries()) {
      const { tenantId = answer?.tenantId, ...about } = partsOf(key);
      if (concerns(change, { ...about, tenantId })) this.#decisions.delete(key);
    }
    for (const asking of this.#asking.values()) if (concerns(change, asking)) asking.isOutdated = true;
  }

  /** Changes may have been missed. */
  forgetAll(): void {
    this.#parts.shared?.forgetAll();
    this.#decisions.clear();
    for (const asking of this.#asking.values()) asking.isOutdated = true;
  }

  async #lookUp(asking: Asking): Promise<FoundRole> {
    const { userId, roomId, tenantId } = asking;
    for (;;) {
      asking.isOutdated = false;
      const now = this.#parts.clock.now();
      const found = await this.#find(asking);
      if (asking.isOutdated) continue;
      const { answer, ageMs } = found;
      this.#decisions.set(keyOf(userId, roomId, tenantId), { answer, askedAt: now - ageMs });
      return found;
    }
  }

  async #find({ userId, roomId, tenantId, isDirect }: Asking): Promise<FoundRole> {
    const { shared, lookUp } = this.#parts;
    // Shared answers are those of the own accounts, where a user's id is one person's.
    if (shared && tenantId === undefined)
      return shared.lookUp(userId, roomId, isDirect ? 0 : this.#believedMs);
    return { answer: await lookUp(userId, roomId, tenantId), ageMs: 0, isKept: false };
  }
}

/** Whether a change may concern a user in a room; a tenant that is not known may be any. */
export function concerns(
  change: AccessChange,
  { userId, roomId, tenantId }: { userId: string | undefined; roomId: string; tenantId: string | undefined },
): boolean {
  if (change.sessionId !== undefined) return false;
  if (change.userId !== undefined && change.userId !== userId) return false;
  if (change.roomId !== undefined && change.roomId !== roomId) return false;
  return change.tenantId === undefined || tenantId === undefined || change.tenantId === tenantId;
}

function keyOf(userId: string, roomId: string, tenantId: string | undefined): string {
  return JSON.stringify([userId, roomId, tenantId]);
}

function partsOf(key: string): { userId: string; roomId: string; tenantId: string | undefined } {
  const [userId, roomId, tenantId] = JSON.parse(key) as [string, string, string | null];
  return { userId, roomId, tenantId: tenantId ?? undefined };
}
