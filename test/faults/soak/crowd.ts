import type { AckedUpdate } from '../../support/oracle/index.ts';
import { RecordingClient } from '../../support/recording/recording-client.ts';

export interface CrowdOptions {
  urls: readonly string[];
  clients: number;
  rooms: readonly string[];
  /** Mean time between two edits of one client. */
  editEveryMs: number;
  /** How long a client stays, evenly distributed; then another one comes in its place, to another room. */
  stayMs: readonly [min: number, max: number];
  random: () => number;
}

/** New clients in a second, so that a start or an outage does not become a flood that the machine itself cannot drive. */
const ARRIVALS_PER_SECOND = 20;
const CONNECT_TIMEOUT_MS = 20_000;
/** A client that leaves waits so long for its last acks; a person would see "saving" and stay. */
const FAREWELL_MS = 30_000;
const POLL_MS = 100;

/** Clients that come, type and go. What was acked to those who have left is kept for the oracle. */
export class Crowd {
  readonly #options: CrowdOptions;
  readonly #present = new Set<RecordingClient>();
  readonly #leaving = new Set<Promise<void>>();
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #acks: AckedUpdate[] = [];
  readonly #complaints: string[] = [];
  #arrived = 0;
  #leftUnsaved = 0;
  #edits = 0;
  #isOpen = true;
  #isTyping = true;

  constructor(options: CrowdOptions) {
    this.#options = options;
    for (let at = 0; at < options.clients; at++)
      this.#later((at / ARRIVALS_PER_SECOND) * 1000, () => this.#arrive());
  }

  get present(): readonly RecordingClient[] {
    return [...this.#present];
  }

  get arrived(): number {
    return this.#arrived;
  }

  get edits(): number {
    return this.#edits;
  }

  /** Clients that were closed though something of theirs was not acked after half a minute. */
  get leftUnsaved(): number {
    return this.#leftUnsaved;
  }

  get acks(): AckedUpdate[] {
    return [...this.#acks, ...this.present.flatMap(({ acks }) => acks)];
  }

  get ackCount(): number {
    return this.#acks.length + this.present.reduce((sum, { acks }) => sum + acks.length, 0);
  }

  get complaints(): string[] {
    return [...this.#complaints, ...this.present.flatMap(({ complaints }) => complaints)];
  }

  /** Nobody comes, goes or types any more; those who are there stay connected. */
  async freeze(): Promise<void> {
    this.#isOpen = false;
    this.#isTyping = false;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    await Promise.all(this.#leaving);
  }

  /** Everybody goes. */
  close(): void {
    this.#isOpen = false;
    this.#isTyping = false;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    for (const client of this.#present) this.#forget(client);
  }

  #later(delayMs: number, work: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      work();
    }, delayMs);
    this.#timers.add(timer);
  }

  #arrive(): void {
    if (!this.#isOpen) return;
    const { urls, rooms, random, stayMs } = this.#options;
    const number = this.#arrived++;
    const at = number % urls.length;
    const client = new RecordingClient({
      urls: [...urls.slice(at), ...urls.slice(0, at)],
      room: rooms[Math.floor(random() * rooms.length)]!,
      name: `c${number}`,
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
    });
    this.#present.add(client);
    this.#type(client);
    const [min, max] = stayMs;
    this.#later(min + random() * (max - min), () => {
      const leaving = this.#leave(client).finally(() => this.#leaving.delete(leaving));
      this.#leaving.add(leaving);
    });
  }

  #type(client: RecordingClient): void {
    const { editEveryMs, random } = this.#options;
    this.#later(editEveryMs * (0.5 + random()), () => {
      if (!this.#present.has(client) || !this.#isTyping) return;
      // Not before the first state: nobody types into a page that is still loading.
      if (client.hasJoined) {
        client.edit(random);
        this.#edits++;
      }
      this.#type(client);
    });
  }

  async #leave(client: RecordingClient): Promise<void> {
    const deadline = performance.now() + FAREWELL_MS;
    while (client.hasUnacked && performance.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    if (client.hasUnacked) this.#leftUnsaved++;
    this.#forget(client);
    this.#arrive();
  }

  #forget(client: RecordingClient): void {
    this.#present.delete(client);
    client.close();
    this.#acks.push(...client.acks);
    this.#complaints.push(...client.complaints);
  }
}
