import { REMOVED_STATE, type AwarenessState } from '../protocol/awareness.ts';

/** A state that has changed since the last look. */
export interface ChangedState extends AwarenessState {
  /** It belongs to a connection of this gateway: other gateways have to be told. */
  isLocal: boolean;
}

interface KnownState extends AwarenessState {
  /** The subscription of this gateway, or the id of the gateway that has it. */
  owner: object | string;
}

/** Client ids that one owner may bring into a document; a browser tab has one. */
const MAX_IDS_OF_OWNER = 32;
/** Removed ids whose clock is remembered, so that a late older state does not bring them back. */
const MAX_REMOVED = 256;

/** The last awareness state of each client id of a document (design: Socket.IO surface, awareness). */
export class AwarenessStates {
  readonly #known = new Map<number, KnownState>();
  readonly #removed = new Map<number, number>();
  readonly #changed = new Map<number, boolean>();
  /** Connections of this gateway that have gained or lost an id. */
  readonly #resettled = new Set<object>();

  get isChanged(): boolean {
    return this.#changed.size > 0 || this.#resettled.size > 0;
  }

  /** The owner of an id that is present. */
  ownerOf(clientId: number): object | string | undefined {
    return this.#known.get(clientId)?.owner;
  }

  /** True when the owner may still bring in this id. */
  hasRoomFor(owner: object, clientId: number): boolean {
    if (this.#known.get(clientId)?.owner === owner) return true;
    return this.of(owner).length < MAX_IDS_OF_OWNER;
  }

  /**
   * Takes a state as y-protocols does: a higher clock wins; a removal also with an equal clock. A state
   * that is as new as the known one changes nothing but the owner (a client that moved to another gateway); the others
   * are told when that is here, or they would forget the client with the gateway it was at.
   */
  apply({ clientId, clock, state }: AwarenessState, owner: object | string): boolean {
    const known = this.#known.get(clientId);
    const isRemoval = state === REMOVED_STATE;
    if (known ? clock < known.clock : clock < (this.#removed.get(clientId) ?? 0)) return false;
    if (known?.owner !== owner || isRemoval) this.#resettle(known?.owner, isRemoval ? undefined : owner);
    if (known && clock === known.clock && !isRemoval) {
      if (isLocal(owner) && !isLocal(known.owner)) this.#changed.set(clientId, true);
      known.owner = owner;
      return false;
    }
    if (isRemoval) {
      if (!known) return false;
      this.#forget(clientId, clock);
    } else {
      this.#known.set(clientId, { clientId, clock, state, owner });
      this.#removed.delete(clientId);
    }
    this.#changed.set(clientId, isLocal(owner));
    return true;
  }

  /** Removes all states of an owner, with the last seen clock. Returns the removals. */
  removeOwner(owner: object | string): AwarenessState[] {
    this.#resettle(owner);
    const removals = this.of(owner).map(({ clientId, clock }) => ({ clientId, clock, state: REMOVED_STATE }));
    for (const { clientId, clock } of removals) {
      this.#forget(clientId, clock);
      this.#changed.set(clientId, isLocal(owner));
    }
    return removals;
  }

  of(owner: object | string): AwarenessState[] {
    return [...this.#known.values()].filter((known) => known.owner === owner).map(plain);
  }

  /** States of connections of this gateway. */
  local(): AwarenessState[] {
    return [...this.#known.values()].filter((known) => isLocal(known.owner)).map(plain);
  }

  all(): AwarenessState[] {
    return [...this.#known.values()].map(plain);
  }

  /** Ids of gateways that have states here. */
  gateways(): Set<string> {
    const ids = new Set<string>();
    for (const { owner } of this.#known.values()) if (typeof owner === 'string') ids.add(owner);
    return ids;
  }

  /** Connections of this gateway of which `of` answers something else than at the last call. */
  takeResettled(): object[] {
    const owners = [...this.#resettled];
    this.#resettled.clear();
    return owners;
  }

  /** The latest state of each id that has changed since the last call. */
  takeChanged(): ChangedState[] {
    const states = [...this.#changed].map(([clientId, isLocal]) => {
      const known = this.#known.get(clientId);
      if (known) return { ...plain(known), isLocal };
      return { clientId, clock: this.#removed.get(clientId) ?? 0, state: REMOVED_STATE, isLocal };
    });
    this.#changed.clear();
    return states;
  }

  #resettle(...owners: (object | string | undefined)[]): void {
    for (const owner of owners) if (typeof owner === 'object') this.#resettled.add(owner);
  }

  #forget(clientId: number, clock: number): void {
    this.#known.delete(clientId);
    this.#removed.delete(clientId);
    this.#removed.set(clientId, clock);
    if (this.#removed.size > MAX_REMOVED) {
      const [oldest] = this.#removed.keys();
      this.#removed.delete(oldest!);
    }
  }
}

function plain({ clientId, clock, state }: KnownState): AwarenessState {
  return { clientId, clock, state };
}

function isLocal(owner: object | string): boolean {
  return typeof owner !== 'string';
}
