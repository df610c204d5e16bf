import type { Awareness } from 'y-protocols/awareness';
import type { DocumentAddress } from '../protocol/index.ts';
import { TypedEmitter } from './emitter.ts';
import type { ProviderEnvironment } from './environment.ts';
import { documentRef, type DocumentRef } from './events.ts';
import type { RoomPerson, RoomPresence } from './presence.ts';

/** What one tab of a person shows in one document. */
export interface AwarenessOfPerson extends DocumentRef {
  clientId: number;
  /** As the application there has set it. */
  state: Readonly<Record<string, unknown>>;
}

/** A person with everything that her connections show: all her tabs together. */
export interface PersonInRoom extends RoomPerson {
  isSelf: boolean;
  /** The states of those client ids that the server has proven to be hers, in the documents that are open here. */
  awareness: AwarenessOfPerson[];
}

export interface PeopleEvents {
  /** Somebody has come or gone, or anything of somebody is another; once for all that happens in a tick. */
  people: { people: PersonInRoom[] };
}

interface Watched {
  address: DocumentAddress;
  awareness: Awareness;
  stop: () => void;
}

export interface PeopleListParts {
  presence: RoomPresence;
  environment: ProviderEnvironment;
}

/**
 * Presence and Yjs awareness as one list of people. Two tabs of a person are one person with two connections; without
 * accounts every connection is a person of its own.
 */
export class PeopleList extends TypedEmitter<PeopleEvents> {
  readonly #parts: PeopleListParts;
  /** The awareness of the documents, by address. */
  readonly #watched = new Map<string, Watched>();
  readonly #stopPresence: (() => void)[];
  #isDue = false;
  #isDestroyed = false;

  constructor(parts: PeopleListParts) {
    super();
    this.#parts = parts;
    const { presence } = parts;
    const changed = () => this.#changed();
    this.#stopPresence = [
      presence.on('presence-sync', changed),
      presence.on('presence-join', changed),
      presence.on('presence-leave', changed),
    ];
  }

  /** Everybody in the room now, the own person among them; empty while not connected. */
  list(): PersonInRoom[] {
    const { presence } = this.#parts;
    return [...presence.people.values()].map((person) => {
      const isSelf = person.userId === presence.self;
      return { ...person, isSelf, awareness: this.#awarenessOf(person, isSelf) };
    });
  }

  /** The document's awareness counts from now on, in place of the one before. */
  watch(address: DocumentAddress, awareness: Awareness | undefined): void {
    this.unwatch(address);
    if (!awareness) return;
    const changed = () => this.#changed();
    awareness.on('change', changed);
    const stop = () => awareness.off('change', changed);
    this.#watched.set(keyOf(address), { address, awareness, stop });
    this.#changed();
  }

  unwatch(address: DocumentAddress): void {
    this.#watched.get(keyOf(address))?.stop();
    if (this.#watched.delete(keyOf(address))) this.#changed();
  }

  destroy(): void {
    this.#isDestroyed = true;
    for (const stop of this.#stopPresence) stop();
    for (const { stop } of this.#watched.values()) stop();
    this.#watched.clear();
    this.removeAllListeners();
  }

  #awarenessOf({ clients }: RoomPerson, isSelf: boolean): AwarenessOfPerson[] {
    const clientIds = new Map(clients.map((each) => [keyOf(each), each.clientIds]));
    return [...this.#watched].flatMap(([key, { address, awareness }]) => {
      const ids = new Set(clientIds.get(key));
      // Known here before the server says it; and a connection that was lost may still stand there with it.
      if (isSelf) ids.add(awareness.clientID);
      else ids.delete(awareness.clientID);
      const states = awareness.getStates();
      return [...ids].flatMap((clientId) => {
        const state = states.get(clientId);
        return state ? [{ ...documentRef(address), clientId, state }] : [];
      });
    });
  }

  #changed(): void {
    if (this.#isDue || !this.hasListeners('people')) return;
    this.#isDue = true;
    this.#parts.environment.defer(() => {
      this.#isDue = false;
      if (!this.#isDestroyed) this.emit('people', { people: this.list() });
    });
  }
}

/** No id has a control character. */
function keyOf({ docId, subdocId = '' }: Pick<DocumentAddress, 'docId' | 'subdocId'>): string {
  return `${docId}\n${subdocId}`;
}
