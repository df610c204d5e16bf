import type { Random } from '../../support/random.ts';
import { waitFor } from '../../support/wait.ts';
import type { AckedUpdate, ClientDeliveries, FinalState } from '../../support/oracle/index.ts';
import { areSameStates } from '../../support/oracle/index.ts';
import { Person } from './person.ts';

const PROBE_POLL_MS = 10;

export interface RoomOptions {
  roomId: string;
  people: number;
  urls: readonly string[];
  random: Random;
  onComplaint: (text: string) => void;
}

/** People at both gateways who edit the same documents; who leaves is replaced, and what he was promised still counts. */
export class Room {
  readonly roomId: string;
  readonly #options: RoomOptions;
  readonly #gone: Person[] = [];
  #people: Person[];
  #named = 0;

  constructor(options: RoomOptions) {
    this.#options = options;
    this.roomId = options.roomId;
    this.#people = Array.from({ length: options.people }, () => this.#newPerson());
  }

  get people(): readonly Person[] {
    return this.#people;
  }

  async ready(timeoutMs: number): Promise<void> {
    await waitFor(() => this.#people.every((person) => person.isSynced), {
      timeoutMs,
      what: `everybody in ${this.roomId} is synced: ${this.describe()}`,
    });
  }

  type(): void {
    for (const person of this.#people) person.type();
  }

  rest(): void {
    for (const person of this.#people) person.rest();
  }

  /** Milliseconds until an edit that each person makes now has reached every other one who is still there. */
  async worksAgain(token: string, timeoutMs: number): Promise<number> {
    const since = performance.now();
    const writers = [...this.#people];
    for (const person of writers) person.probe(token);
    await waitFor(
      () => {
        const present = writers.filter((writer) => this.#people.includes(writer));
        return this.#people.every((reader) => present.every(({ name }) => reader.sees(name, token)));
      },
      { timeoutMs, intervalMs: PROBE_POLL_MS, what: 'edits reach everybody again' },
    ).catch((cause: unknown) => {
      throw new Error(`${this.roomId} does not work within ${timeoutMs} ms: ${this.describe()}`, { cause });
    });
    return performance.now() - since;
  }

  /** Somebody goes without waiting, and somebody else comes. */
  replace(person: Person): void {
    person.leave();
    this.#gone.push(person);
    const fresh = this.#newPerson();
    this.#people = this.#people.map((other) => (other === person ? fresh : other));
    fresh.type();
  }

  /** Nobody edits; resolves when all is acked and everybody has the same. */
  async settle(timeoutMs: number): Promise<void> {
    this.rest();
    await waitFor(() => this.#people.every((person) => person.isSynced && !person.hasUnackedChanges), {
      timeoutMs,
      what: 'everything is acked',
    }).catch((cause: unknown) => {
      throw new Error(`${this.roomId} does not come to rest in ${timeoutMs} ms: ${this.describe()}`, {
        cause,
      });
    });
    // That they never get the same is for the oracle to say.
    await waitFor(() => this.#areEqual(), { timeoutMs: 60_000, intervalMs: 50 }).catch(() => undefined);
  }

  /** A newcomer reads everything, and leaves. */
  async readFresh(timeoutMs: number): Promise<FinalState[]> {
    const reader = this.#newPerson();
    try {
      await waitFor(() => reader.isSynced, {
        timeoutMs,
        what: `a fresh client is synced: ${reader.describe()}`,
      });
      return reader.states('fresh', true);
    } finally {
      reader.leave();
    }
  }

  evidence(): { acks: AckedUpdate[]; states: FinalState[]; deliveries: ClientDeliveries[] } {
    const all = [...this.#gone, ...this.#people];
    return {
      acks: all.flatMap(({ acks }) => acks),
      states: this.#people.flatMap((person) => person.states()),
      deliveries: all.flatMap((person) => person.deliveries()),
    };
  }

  get acked(): number {
    return [...this.#gone, ...this.#people].reduce((sum, { acks }) => sum + acks.length, 0);
  }

  close(): void {
    for (const person of this.#people) person.leave();
  }

  describe(): string {
    return this.#people.map((person) => person.describe()).join('; ');
  }

  #areEqual(): boolean {
    const [first, ...others] = this.#people.map((person) => person.states());
    return others.every((states) =>
      states.every(({ state }, index) => areSameStates(state, first![index]!.state)),
    );
  }

  #newPerson(): Person {
    const { roomId, urls, random, onComplaint } = this.#options;
    const number = this.#named++;
    const own = number % urls.length;
    return new Person({
      name: `p${number}`,
      roomId,
      urls: [...urls.slice(own), ...urls.slice(0, own)],
      random: random.fork(`p${number}`),
      onComplaint,
    });
  }
}
