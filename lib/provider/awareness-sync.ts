import { encodeAwarenessUpdate, removeAwarenessStates } from 'y-protocols/awareness';
import type { Awareness } from 'y-protocols/awareness';
import { encodeAwarenessPayload } from '../protocol/index.ts';

export interface AwarenessSyncOptions {
  awareness: Awareness;
  /** Names the provider in the events of the awareness. */
  origin: unknown;
  /** The own state has changed and wants to be sent. */
  onDirty: () => void;
}

type Change = { added: number[]; updated: number[]; removed: number[] };

/** The awareness of one document: only the own client id is sent, everything else comes from the server. */
export class AwarenessSync {
  readonly #options: AwarenessSyncOptions;
  #isDirty = false;

  constructor(options: AwarenessSyncOptions) {
    this.#options = options;
    options.awareness.on('update', this.#onUpdate);
  }

  /** The own state is to be sent again: after a join, or after the server has dropped it. */
  announce(): void {
    const { awareness } = this.#options;
    const state = awareness.getLocalState();
    if (state === null) return;
    // Where it was removed with its last clock, only a higher one brings it back: this raises it, and is an update.
    awareness.setLocalState(state);
  }

  /** The payload with the own state, if it has changed since the last one. */
  takePayload(): Uint8Array | undefined {
    const { awareness } = this.#options;
    if (!this.#isDirty || !awareness.meta.has(awareness.clientID)) return undefined;
    this.#isDirty = false;
    return encodeAwarenessPayload(encodeAwarenessUpdate(awareness, [awareness.clientID]));
  }

  /** The payload that takes the own state away from the others; undefined when there is none. */
  removalPayload(): Uint8Array | undefined {
    const { awareness } = this.#options;
    if (awareness.getLocalState() === null) return undefined;
    // Without states every client is encoded as removed; the application's own state stays as it is.
    return encodeAwarenessPayload(encodeAwarenessUpdate(awareness, [awareness.clientID], new Map()));
  }

  /** The connection is gone, and with it what is known of the others. */
  forgetOthers(): void {
    const { awareness, origin } = this.#options;
    const others = [...awareness.meta.keys()].filter((id) => id !== awareness.clientID);
    removeAwarenessStates(awareness, others, origin);
    // With its clock remembered, a state that comes again unchanged after the reconnect would be ignored.
    for (const id of others) awareness.meta.delete(id);
  }

  detach(): void {
    this.#options.awareness.off('update', this.#onUpdate);
  }

  #onUpdate = ({ added, updated, removed }: Change): void => {
    const { awareness } = this.#options;
    const own = awareness.clientID;
    if (![added, updated, removed].some((clients) => clients.includes(own))) return;
    // Also from the server, which sends the own id only when it believes that this client has gone.
    this.#isDirty = true;
    this.#options.onDirty();
  };
}
