import type { Clock } from '../clock.ts';
import type { AccessChange } from '../lifecycle/access-record.ts';
import type { RoleAnswer } from './room-roles.ts';

/** Where gateways keep answers for each other. Whoever may write there decides about rights. */
export interface RoleCache {
  /** Undefined or null when there is nothing. Rejects, in short time, when it cannot be told. */
  get(key: string): Promise<unknown>;
  /** Resolves when it is there. It is forgotten after `ttlMs`, or sooner. */
  set(key: string, value: unknown, ttlMs: number): Promise<void>;
}

export interface SharedRolesParts {
  cache: RoleCache;
  clock: Clock;
  randomId: () => string;
  /** Asks whoever decides. */
  lookUp: (userId: string, roomId: string) => Promise<RoleAnswer>;
  /** An answer is kept for so long, in ms. */
  ttlMs: number;
}

export interface FoundRole {
  answer: RoleAnswer;
  /** How long ago it was asked for. */
  ageMs: number;
  /** Whether it was asked for by an earlier question. */
  isKept: boolean;
}

interface Entry {
  answer: RoleAnswer;
  marks: string[];
  /** Wall time. */
  at: number;
}

/** After a failure the cache is left alone for so long. */
const PAUSE_MS = 1_000;
/** Marks last longer than the entries that name them. */
const MARK_LIVES = 2;

/**
 * Answers about rights that all gateways share. Nothing is deleted: an entry names the marks of its room, its person
 * and of all that stood before it was asked for, and counts as long as they stand. A change of rights sets new ones.
 * So an answer of before a change can be written whenever it likes: it does not count.
 */
export class SharedRoles {
  readonly #parts: SharedRolesParts;
  /** Marks that are not known to have arrived: until then nothing in the cache is believed. */
  readonly #owed = new Map<string, { isOnItsWay: boolean }>();
  #awayUntil = -Infinity;

  constructor(parts: SharedRolesParts) {
    this.#parts = parts;
  }

  /** Rejects when the answer is not in the cache, at most `maxAgeMs` old, and whoever decides cannot be asked. */
  async lookUp(userId: string, roomId: string, maxAgeMs: number): Promise<FoundRole> {
    const key = `role:${JSON.stringify([userId, roomId])}`;
    const marks = this.#mayAsk()
      ? await this.#marksAnd(key, [ALL, roomMark(roomId), userMark(userId)])
      : undefined;
    if (marks?.entry) {
      const ageMs = Math.max(0, this.#parts.clock.wallTime() - marks.entry.at);
      if (ageMs < maxAgeMs) return { answer: marks.entry.answer, ageMs, isKept: true };
    }
    const at = this.#parts.clock.wallTime();
    const answer = await this.#parts.lookUp(userId, roomId);
    // Of a stranger nothing is kept: she may have a role in a moment.
    if (answer && marks) {
      const entry: Entry = { answer, marks: marks.marks, at };
      this.#set(key, entry, this.#parts.ttlMs).catch(() => this.#failed());
    }
    return { answer, ageMs: 0, isKept: false };
  }

  /** What the change may have made wrong counts no more. */
  changed({ roomId, userId, sessionId }: AccessChange): void {
    if (sessionId !== undefined) return;
    if (roomId !== undefined) this.#mark(roomMark(roomId));
    else this.#mark(userId === undefined ? ALL : userMark(userId));
  }

  /** Changes may have been missed. */
  forgetAll(): void {
    this.#mark(ALL);
  }

  #mayAsk(): boolean {
    if (this.#parts.clock.now() < this.#awayUntil) return false;
    for (const [name, { isOnItsWay }] of [...this.#owed]) if (!isOnItsWay) this.#mark(name);
    return this.#owed.size === 0;
  }

  /** The marks as they stand, and the entry if it counts by them. Undefined when the cache is away. */
  async #marksAnd(key: string, names: string[]): Promise<{ marks: string[]; entry?: Entry } | undefined> {
    const { cache, randomId } = this.#parts;
    try {
      const [found, ...known] = await Promise.all([key, ...names].map((name) => cache.get(name)));
      const marks = await Promise.all(
        names.map(async (name, at) => {
          const mark = known[at];
          if (typeof mark === 'string') return mark;
          const made = randomId();
          await this.#setMark(name, made);
          return made;
        }),
      );
      const entry = isEntry(found) && found.marks.join() === marks.join() ? found : undefined;
      // One that has gone out meanwhile may not be among these.
      if (this.#owed.size > 0) return undefined;
      return entry ? { marks, entry } : { marks };
    } catch {
      this.#failed(); // whoever decides is asked instead
      return undefined;
    }
  }

  #mark(name: string): void {
    const owed = { isOnItsWay: true };
    this.#owed.set(name, owed);
    this.#setMark(name, this.#parts.randomId()).then(
      () => {
        if (this.#owed.get(name) === owed) this.#owed.delete(name);
      },
      () => {
        // Sent again before the cache is asked.
        owed.isOnItsWay = false;
        this.#failed();
      },
    );
  }

  #setMark(name: string, mark: string): Promise<void> {
    return this.#set(name, mark, MARK_LIVES * this.#parts.ttlMs);
  }

  #set(key: string, value: unknown, ttlMs: number): Promise<void> {
    return this.#parts.cache.set(key, value, ttlMs);
  }

  #failed(): void {
    this.#awayUntil = this.#parts.clock.now() + PAUSE_MS;
  }
}

const ALL = 'mark:all';
const roomMark = (roomId: string) => `mark:room:${roomId}`;
const userMark = (userId: string) => `mark:user:${userId}`;

function isEntry(value: unknown): value is Entry {
  const { answer, marks, at } = (value ?? {}) as Partial<Entry>;
  return typeof at === 'number' && Array.isArray(marks) && typeof answer?.tenantId === 'string';
}
