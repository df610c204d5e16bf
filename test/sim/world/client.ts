import * as Y from 'yjs';
import { documentKey, type DocumentKey } from '../../../lib/protocol/ids.ts';
import type { Position } from '../../../lib/protocol/position.ts';
import { ProtocolManager } from '../../../lib/provider/manager.ts';
import type { ManagerOptions } from '../../../lib/provider/manager-options.ts';
import type { Transport, TransportFactory } from '../../../lib/provider/transport.ts';
import type { Counters } from '../engine/counters.ts';
import type { SimProcess } from '../engine/process.ts';
import { PageWatch, type PageViolationKind, type PageWatchParts } from './page-watch.ts';

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
  /** Whether the product's list of documents has it now. */
  exists: (document: SimDocument) => boolean;
  hasBetween: PageWatchParts['hasBetween'];
  isBarrier: PageWatchParts['isBarrier'];
  onBroken: (kind: PageViolationKind, document: DocumentKey, detail: string) => void;
}

const TEXT = 't';
const LOOK_MS = 1_000;
const LETTERS = 'abcdefghijklmnopqrstuvwxyz';

/** A page: one manager for each room, with real documents in it. */
export class SimClient {
  readonly process: SimProcess;
  readonly #parts: ClientParts;
  readonly #managers = new Map<string, ProtocolManager>();
  readonly #docs = new Map<DocumentKey, Y.Doc>();
  readonly #watch: PageWatch;
  #letter = 0;
  #isDestroyed = false;

  constructor(parts: ClientParts) {
    this.#parts = parts;
    this.process = parts.process;
    this.#watch = new PageWatch({
      positionOf: (key) => this.state(parts.documents.find((document) => document.key === key)!).position,
      hasBetween: parts.hasBetween,
      isBarrier: parts.isBarrier,
      report: (kind, document, detail) => parts.onBroken(kind, document, `${this.name}: ${detail}`),
    });
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
    return this.#parts.documents.every((document) => this.isSettledIn(document));
  }

  /** In step with the others; or told that the document does not exist, if that is so. */
  isSettledIn(document: SimDocument): boolean {
    const { isSynced, hasUnackedChanges, halted } = this.state(document);
    if (!this.#parts.exists(document)) return halted === 'deleted';
    return isSynced && !hasUnackedChanges;
  }

  /** A frame has come in. */
  look(): void {
    for (const { key } of this.#parts.documents) this.#watch.look(key);
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
    this.#isDestroyed = true;
    for (const manager of this.#managers.values()) manager.destroy();
  }

  #open(document: SimDocument): void {
    const { roomId, docId, key } = document;
    this.#manager(roomId).addDoc(this.#newDoc(key), { docId, recreate: () => this.#newDoc(key) });
  }

  /**
   * The page was told that the document is deleted. Some try again at once, some with their old copy, with or without
   * the position that was kept with it; all look from time to time whether it has been made again.
   */
  #onDeleted(document: SimDocument): void {
    const { process, exists, counters } = this.#parts;
    const doc = this.doc(document);
    const { position } = this.state(document);
    const isNaive = process.random.chance(0.3);
    const look = () => {
      if (this.#isDestroyed || this.state(document).halted !== 'deleted' || this.doc(document) !== doc)
        return;
      if (!isNaive && !exists(document)) return process.after(LOOK_MS, 'look at the list', look);
      const copy = process.random.int(0, 3);
      counters.count(copy < 2 ? 'reopened-with-old-copy' : 'reopened');
      const recreate = () => this.#newDoc(document.key);
      const kept = copy === 0 && position ? { position } : {};
      const opened = copy < 2 ? doc : recreate();
      this.#manager(document.roomId).addDoc(opened, { docId: document.docId, recreate, ...kept });
    };
    process.after(process.random.int(10, LOOK_MS), 'look at the list', look);
  }

  #newDoc(key: DocumentKey): Y.Doc {
    const doc = new Y.Doc({ guid: key });
    doc.clientID = this.#parts.nextClientId();
    this.#docs.set(key, doc);
    return doc;
  }

  #watched(transport: Transport): Transport {
    return {
      join: (request, onAnswer) => {
        const { roomId, docId } = request;
        const key = documentKey({ tenantId: 'default', roomId, docId });
        this.#watch.join(key);
        transport.join(request, (answer) => {
          if (answer.ok) this.#watch.hear(key, answer.position);
          onAnswer(answer);
        });
      },
      leave: (address) => transport.leave(address),
      send: (frame) => transport.send(frame),
      close: () => transport.close(),
    };
  }

  #manager(roomId: string): ProtocolManager {
    const known = this.#managers.get(roomId);
    if (known) return known;
    const { process, urls, transport, tuning, counters, onAck } = this.#parts;
    const manager = new ProtocolManager({
      url: urls,
      roomId,
      senderId: `${process.name}-${process.randomId().slice(0, 8)}-${roomId}`,
      transport: (...request) => this.#watched(transport(...request)),
      environment: process.environment,
      ...tuning,
    });
    this.#managers.set(roomId, manager);
    manager.on('acked', ({ docId, version, position }) => {
      const document = documentKey({ tenantId: 'default', roomId, docId });
      this.#watch.hear(document, position);
      onAck({ document, senderId: manager.senderId, version, position });
    });
    manager.on('synced', ({ docId, state }) => {
      if (state) this.#watch.inStep(documentKey({ tenantId: 'default', roomId, docId }));
    });
    manager.on('document-replaced', ({ reason }) => counters.count(`replaced-${reason}`));
    manager.on('document-deleted', ({ docId, position }) => {
      counters.count(position ? 'deleted-seen' : 'deleted-refused');
      this.#onDeleted(this.#parts.documents.find((one) => one.roomId === roomId && one.docId === docId)!);
    });
    manager.on('update-refused', ({ code }) => counters.count(`refused-${code}`));
    manager.on('update-failed', () => counters.count('update-failed'));
    manager.on('join-refused', ({ code }) => counters.count(`join-refused-${code}`));
    return manager;
  }
}
