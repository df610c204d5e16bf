import type { OnRoomChange, Presence } from '../../lib/presence/port.ts';
import type { PresenceClients, PresenceReach } from '../../lib/protocol/index.ts';
import type { RoomOfTenant } from '../../lib/stream/topics.ts';
import { waitFor } from '../support/wait.ts';

export const BEAT_MS = 60;
/** No multiple of the interval: who is looked at by the clock is then found in an outage, by the one who was heard last. */
export const TIMEOUT_MS = 560;

/** One process of the system under test. */
export interface PresenceNode {
  presence: Presence;
  /** Ends without a word. */
  kill(): void;
}

/** What an adapter has to give to be checked. */
export interface PresenceMedium {
  /** A gateway that takes others for dead after so long a silence, TIMEOUT_MS unless it is said. */
  open(onChange: OnRoomChange, beatTimeoutMs?: number): Promise<PresenceNode>;
  /** Nobody hears anybody for so long. */
  outage(forMs: number): Promise<void>;
  /** One way to what they share and back. */
  touch(): Promise<unknown>;
  /** Nothing is left of the gateways that were before. */
  forget(): Promise<unknown>;
}

export const ROOM: RoomOfTenant = { tenantId: 't', roomId: 'r' };
let people = 0;

export async function waitMs(ms: number): Promise<void> {
  const until = performance.now() + ms;
  await waitFor(() => performance.now() >= until, { what: 'the time to pass' });
}

/** One thing that every adapter must do; it gets a medium of its own. */
export type PresenceCheck = (
  open: (beatTimeoutMs?: number) => Promise<Gateway>,
  medium: PresenceMedium,
) => Promise<void>;

/** Times are a tenth of those of the product: what stands still for this long may be taken for dead. */
const STALL_MS = TIMEOUT_MS / 4;
const TRIES = 3;

/**
 * Runs a check. One that fails while the machine stood still is run again: then its time-outs have passed in another
 * order than it says. What is wrong by itself fails each time.
 */
export async function unlessStalled(check: () => Promise<void>, medium: PresenceMedium): Promise<void> {
  for (let tries = 1; ; tries++) {
    const watch = new StallWatch(medium);
    try {
      return await check();
    } catch (error) {
      if (tries === TRIES || watch.longestMs < STALL_MS) throw error;
      await medium.forget();
    } finally {
      watch.stop();
    }
  }
}

/** How long the process, or what the gateways share, has not answered at most. */
class StallWatch {
  longestMs = 0;
  #isOver = false;

  constructor(medium: PresenceMedium) {
    void this.#run(async () => void (await medium.touch()));
    void this.#run(() => new Promise((resolve) => setTimeout(resolve, 1)));
  }

  stop(): void {
    this.#isOver = true;
  }

  async #run(step: () => Promise<void>): Promise<void> {
    while (!this.#isOver) {
      const begunAt = performance.now();
      // One that fails is an end of the medium, or an outage.
      await step().catch(() => undefined);
      this.longestMs = Math.max(this.longestMs, performance.now() - begunAt);
      await new Promise((resolve) => setTimeout(resolve, BEAT_MS / 6));
    }
  }
}

/** A gateway that writes down what it is told. */
export class Gateway {
  readonly told: string[] = [];
  readonly node: PresenceNode;
  readonly #timer: NodeJS.Timeout;

  private constructor(node: PresenceNode, told: string[]) {
    this.node = node;
    this.told = told;
    this.#timer = setInterval(() => node.presence.beat(), BEAT_MS);
  }

  static async open(medium: PresenceMedium, beatTimeoutMs?: number): Promise<Gateway> {
    const told: string[] = [];
    const node = await medium.open((room, { joined, left, moved, regrouped }) => {
      const where = room.tenantId === ROOM.tenantId ? '' : `@${room.tenantId}`;
      for (const { userId } of joined) told.push(`+${userId}${where}`);
      for (const userId of left) told.push(`-${userId}${where}`);
      for (const { userId, cursor } of moved) told.push(`${userId}${where}:${cursor?.x}`);
      for (const person of regrouped) told.push(`${person.userId}${where}=${reachOf(person)}`);
    }, beatTimeoutMs);
    return new Gateway(node, told);
  }

  enter(userId: string, connectionId = `connection ${people++}`, room = ROOM): string {
    this.node.presence.enter(room, { connectionId, userId, user: { name: userId } });
    return connectionId;
  }

  /** It has announced these client ids, and no others. */
  announce(userId: string, connectionId: string, clients: readonly PresenceClients[]): void {
    this.node.presence.enter(ROOM, { connectionId, userId, user: { name: userId }, clients });
  }

  leave(connectionId: string): void {
    this.node.presence.leave(ROOM, connectionId);
  }

  /** It is asked to go on at another gateway. */
  sendAway(connectionId: string): void {
    this.node.presence.move(ROOM, connectionId);
  }

  move(connectionId: string, x: number): void {
    this.node.presence.update(ROOM, connectionId, { cursor: { x, y: 0 } });
  }

  /** Waits until the person's cursor stands there. */
  async shows(userId: string, x: number): Promise<void> {
    const known = () => this.node.presence.people(ROOM).find((person) => person.userId === userId);
    await waitFor(() => known()?.cursor?.x === x, { what: `${userId} at ${x}` });
  }

  count(what: string): number {
    return this.told.filter((told) => told === what).length;
  }

  /** Waits for the connections and client ids of a person: `2 doc:1,2`. */
  async reaches(userId: string, reach: string): Promise<void> {
    const known = () => this.node.presence.people(ROOM).find((person) => person.userId === userId);
    await waitFor(() => known() !== undefined && reachOf(known()!) === reach, {
      what: `${userId}: ${reach} among ${this.told.join(' ')}`,
    });
  }

  users(): string[] {
    return this.node.presence
      .people(ROOM)
      .map(({ userId }) => userId)
      .sort();
  }

  async sees(...users: string[]): Promise<void> {
    await waitFor(() => this.users().join() === users.join(), { what: `${users.join()} in the room` });
  }

  async isTold(...what: string[]): Promise<void> {
    await waitFor(() => what.every((one) => this.told.includes(one)), { what: what.join() });
  }

  kill(): void {
    clearInterval(this.#timer);
    this.node.kill();
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.node.presence.stop();
  }
}

function reachOf({ connections, clients }: PresenceReach): string {
  const ids = clients.map(
    ({ docId, subdocId, clientIds }) =>
      `${subdocId === undefined ? docId : `${docId}/${subdocId}`}:${clientIds.toSorted((a, b) => a - b).join()}`,
  );
  return [connections, ...ids.sort()].join(' ');
}
