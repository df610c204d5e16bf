import * as Y from 'yjs';
import { Awareness } from 'y-protocols/awareness';
import { ProtocolManager } from '../../lib/provider/index.ts';
import { waitFor } from './wait.ts';

export interface PointingPersonOptions {
  url: string | readonly string[];
  room: string;
  /** Also the state of her awareness. */
  name: string;
  getToken?: () => string | Promise<string>;
}

const DOC_ID = 'doc';

/** A tab of somebody who points at something, and what it is shown of the others, by presence and by awareness. */
export class PointingPerson {
  readonly name: string;
  readonly manager: ProtocolManager;
  readonly awareness: Awareness;
  /** Since the last `forgetTold`: who came (`+`) and went (`-`), client ids that did (`+#`, `-#`), cursors that vanished (`?`). */
  readonly told: string[] = [];
  connects = 0;

  constructor({ url, room, name, getToken }: PointingPersonOptions) {
    this.name = name;
    this.awareness = new Awareness(new Y.Doc());
    this.awareness.setLocalState({ name });
    this.awareness.on('change', ({ added, removed }: { added: number[]; removed: number[] }) => {
      for (const id of added) if (id !== this.awareness.clientID) this.told.push(`+#${id}`);
      for (const id of removed) if (id !== this.awareness.clientID) this.told.push(`-#${id}`);
    });
    const retry = { reconnectMinMs: 50, reconnectMaxMs: 500 };
    this.manager = new ProtocolManager({ url, roomId: room, ...retry, ...(getToken && { getToken }) });
    const { presence } = this.manager;
    presence.on('presence-join', ({ userId }) => this.told.push(`+${userId}`));
    presence.on('presence-leave', ({ userId }) => this.told.push(`-${userId}`));
    presence.on('presence-sync', ({ users }) => {
      for (const { userId, cursor } of users) if (cursor === null) this.told.push(`?${userId}`);
    });
    this.manager.on('status', ({ status }) => {
      if (status === 'connected') this.connects++;
    });
    this.manager.addDoc(this.awareness.doc, { docId: DOC_ID, awareness: this.awareness });
  }

  /** Of the gateway that it is connected to. */
  get url(): string {
    return this.manager.connection.url;
  }

  get isConnected(): boolean {
    return this.manager.status === 'connected';
  }

  point(x: number): void {
    this.manager.presence.update({ cursor: { x, y: 0 } });
  }

  /** Waits until all of these are shown, each pointing somewhere, with the states of their tabs, this one among them. */
  async sees(...people: readonly PointingPerson[]): Promise<void> {
    const isShown = (person: PointingPerson) =>
      this.awareness.getStates().has(person.awareness.clientID) && this.cursorOf(person) !== undefined;
    await waitFor(() => people.every(isShown), {
      timeoutMs: 60_000,
      what: `${this.name} sees ${people.length}: ${this.told.join(' ')}`,
    });
  }

  cursorOf({ manager }: PointingPerson): number | undefined {
    const { self } = manager.presence;
    return self === undefined ? undefined : this.manager.presence.people.get(self)?.cursor?.x;
  }

  connectionsOf(userId: string): number | undefined {
    return this.manager.presence.people.get(userId)?.connections;
  }

  forgetTold(): void {
    this.told.splice(0);
  }

  /** The tab is closed. */
  close(): void {
    this.manager.destroy();
    this.awareness.destroy();
  }
}
