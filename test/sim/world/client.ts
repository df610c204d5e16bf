import * as Y from 'yjs';
import { documentKey, type DocumentKey } from '../../../lib/protocol/ids.ts';
import type { Position } from '../../../lib/protocol/position.ts';
import { ProtocolManager } from '../../../lib/provider/manager.ts';
import type { ManagerOptions } from '../../../lib/provider/manager-options.ts';
import type { TransportFactory } from '../../../lib/provider/transport.ts';
import type { Counters } from '../engine/counters.ts';
import type { SimProcess } from '../engine/process.ts';

export interface SimDocument {
  roomId: string;
  docId: string;
  key: DocumentKey;
}

export interface SeenAck {
  document: DocumentKey;
  senderId: string;
  version: number;
  position: Position;
}

export interface ClientParts {
  process: SimProcess;
  documents: readonly SimDocument[];
  urls: readonly string[];
  transport: TransportFactory;
  tuning: Partial<ManagerOptions>;
  counters: Counters;
  /** Yjs client ids, never the same. */
  nextClientId: () => number;
  onAck: (ack: SeenAck) => void;
}

const TEXT = 't';
const LETTERS = 'abcdefghijklmnopqrstuvwxyz';

/** A page: one manager for each room, with real documents in it. */
export class SimClient {
  readonly process: SimProcess;
  readonly #parts: ClientParts;
  readonly #managers = new Map<string, ProtocolManager>();
  readonly #docs = new Map<DocumentKey, Y.Doc>();
  #letter = 0;

  constructor(parts: ClientParts) {
    this.#parts = parts;
    this.process = parts.process;
    for (const document of parts.documents) this.#open(document);
  }

  get name(): string {
    return this.process.name;
  }

  doc({ key }: SimDocument): Y.Doc {
    return this.#docs.get(key)!;
  }

  state({ roomId, docId }: SimDocument) {
    return this.#managers.get(roomId)!.documentState(docId)!;
  }

  get isSettled(): boolean {
    return this.#parts.documents.every((document) => {
      const { isSynced, hasUnackedChanges } = this.state(document);
      return isSynced && !hasUnackedChanges;
    });
  }

  insert(document: SimDocument, place: number, length: number): void {
    const text = this.doc(document).getText(TEXT);
    const letters = Array.from({ length }, () => LETTERS[this.#letter++ % LETTERS.length]).join('');
    text.insert(Math.floor(place * (text.length + 1)), letters);
  }

  delete(document: SimDocument, place: number, length: number): void {
    const text = this.doc(document).getText(TEXT);
    if (text.length === 0) return;
    const from = Math.floor(place * text.length);
    text.delete(from, Math.min(length, text.length - from));
  }

  disconnect(): void {
    for (const manager of this.#managers.values()) manager.disconnect();
  }

  connect(): void {
    for (const manager of this.#managers.values()) manager.connect();
  }

  /** The page is closed in good order. */
  destroy(): void {
    for (const manager of this.#managers.values()) manager.destroy();
  }

  #open(document: SimDocument): void {
    const { roomId, docId, key } = document;
    this.#manager(roomId).addDoc(this.#newDoc(key), { docId, recreate: () => this.#newDoc(key) });
  }

  #newDoc(key: DocumentKey): Y.Doc {
    const doc = new Y.Doc({ guid: key });
    doc.clientID = this.#parts.nextClientId();
    this.#docs.set(key, doc);
    return doc;
  }

  #manager(roomId: string): ProtocolManager {
    const known = this.#managers.get(roomId);
    if (known) return known;
    const { process, urls, transport, tuning, counters, onAck } = this.#parts;
    const manager = new ProtocolManager({
      url: urls,
      roomId,
      senderId: `${process.name}-${process.randomId().slice(0, 8)}-${roomId}`,
      transport,
      environment: process.environment,
      ...tuning,
    });
    this.#managers.set(roomId, manager);
    manager.on('acked', ({ docId, version, position }) => {
      const document = documentKey({ tenantId: 'default', roomId, docId });
      onAck({ document, senderId: manager.senderId, version, position });
    });
    manager.on('document-replaced', ({ reason }) => counters.count(`replaced-${reason}`));
    manager.on('update-refused', ({ code }) => counters.count(`refused-${code}`));
    manager.on('update-failed', () => counters.count('update-failed'));
    manager.on('join-refused', ({ code }) => counters.count(`join-refused-${code}`));
    return manager;
  }
}
