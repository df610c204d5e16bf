import * as Y from 'yjs';
import { ProtocolManager, type ManagerEvents, type ManagerOptions } from '../../../lib/provider/index.ts';
import { ModelServer } from './model-server.ts';
import type { ModelSession } from './model-session.ts';
import { SimulatedEnvironment } from './simulated-environment.ts';

export const ROOM = { roomId: 'room', docId: 'doc' };

export interface RecordedEvent {
  name: keyof ManagerEvents;
  event: ManagerEvents[keyof ManagerEvents];
}

const NAMES: readonly (keyof ManagerEvents)[] = [
  'status',
  'synced',
  'acked',
  'read-only',
  'permission-denied',
  'update-refused',
  'document-replaced',
  'document-deleted',
  'update-failed',
  'document-trapped',
  'join-refused',
  'unacked-changes',
  'progress',
  'backlog',
  'connection-error',
];

/** A manager at the model server, with everything that it has said. */
export class TestClient {
  readonly manager: ProtocolManager;
  readonly events: RecordedEvent[] = [];

  constructor(options: ManagerOptions) {
    this.manager = new ProtocolManager(options);
    for (const name of NAMES) this.manager.on(name, (event) => void this.events.push({ name, event }));
  }

  all<K extends keyof ManagerEvents>(name: K): ManagerEvents[K][] {
    return this.events.filter((entry) => entry.name === name).map(({ event }) => event as ManagerEvents[K]);
  }

  /** Adds a new document with this text in it. */
  open(text = '', docId = 'doc'): Y.Doc {
    const doc = new Y.Doc();
    if (text) doc.getText('t').insert(0, text);
    this.manager.addDoc(doc, { docId });
    return doc;
  }
}

export class TestWorld {
  readonly environment: SimulatedEnvironment;
  readonly server: ModelServer;
  readonly #clients: TestClient[] = [];

  constructor(seed = 1) {
    this.environment = new SimulatedEnvironment(seed);
    this.server = new ModelServer(this.environment);
  }

  client(options: Partial<ManagerOptions> = {}): TestClient {
    const { environment, server } = this;
    const client = new TestClient({
      url: 'model:',
      roomId: 'room',
      transport: server.connect,
      environment,
      ...options,
    });
    this.#clients.push(client);
    return client;
  }

  run(ms = 250): void {
    this.environment.advance(ms);
  }

  /** The connection made last. */
  get session(): ModelSession {
    return [...this.server.sessions].at(-1)!;
  }

  serverText(address = ROOM): string {
    const doc = new Y.Doc();
    Y.applyUpdate(doc, this.server.state(address));
    return textOf(doc);
  }

  destroy(): void {
    for (const { manager } of this.#clients) manager.destroy();
  }
}

export const textOf = (doc: Y.Doc): string => doc.getText('t').toString();

/** The update of an edit that somebody makes on a document of their own. */
export function updateOf(edit: (doc: Y.Doc) => void, base?: Uint8Array): Uint8Array {
  const doc = new Y.Doc();
  if (base) Y.applyUpdate(doc, base);
  const before = Y.encodeStateVector(doc);
  edit(doc);
  return Y.encodeStateAsUpdate(doc, before);
}
