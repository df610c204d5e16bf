import { randomBytes } from 'node:crypto';
import * as Y from 'yjs';
import type { DocumentAddress } from '../../../lib/protocol/index.ts';
import { ProtocolManager } from '../../../lib/provider/index.ts';
import type { AckedUpdate, ClientDeliveries, FinalState } from '../../support/oracle/index.ts';
import type { Random } from '../../support/random.ts';
import { documentName, WireRecorder } from './recorder.ts';

/** Documents of each room: one that is written in, one with maps and arrays, and probes. */
export const DOCUMENTS = ['text', 'board'] as const;

const MAX_TEXT_LENGTH = 3_000;
const MAX_ITEMS = 40;

export interface PersonOptions {
  name: string;
  roomId: string;
  /** Gateways, the own one first. */
  urls: readonly string[];
  random: Random;
  /** Anything that a user would have been shown as an error. */
  onComplaint: (text: string) => void;
}

/** A real provider with two documents, somebody who edits them, and notes of all that was promised and delivered. */
export class Person {
  readonly name: string;
  readonly roomId: string;
  readonly acks: AckedUpdate[] = [];
  readonly #docs: Record<(typeof DOCUMENTS)[number], Y.Doc>;
  readonly #manager: ProtocolManager;
  readonly #recorder: WireRecorder;
  readonly #random: Random;
  #timer: NodeJS.Timeout | undefined;

  constructor({ name, roomId, urls, random, onComplaint }: PersonOptions) {
    this.name = name;
    this.roomId = roomId;
    this.#random = random;
    const senderId = randomBytes(16).toString('hex');
    this.#recorder = new WireRecorder(senderId, ({ docId }) => this.#manager.documentState(docId)?.position);
    this.#manager = new ProtocolManager({ url: urls, roomId, senderId, transport: this.#recorder.transport });
    this.#docs = { text: new Y.Doc(), board: new Y.Doc() };
    for (const docId of DOCUMENTS) this.#manager.addDoc(this.#docs[docId], { docId });
    this.#listen(senderId, (text) => onComplaint(`${name}: ${text}`));
  }

  get isSynced(): boolean {
    return DOCUMENTS.every((docId) => this.#manager.documentState(docId)?.isSynced);
  }

  get hasUnackedChanges(): boolean {
    return this.#manager.hasUnackedChanges;
  }

  get isConnected(): boolean {
    return this.#manager.status === 'connected';
  }

  /** Where it stands, for the report of a run that does not come to rest. */
  describe(): string {
    const parts = DOCUMENTS.map((docId) => {
      const state = this.#manager.documentState(docId);
      const { position, isSynced, hasUnackedChanges, halted } = state ?? {};
      return `${docId}@${position?.offset ?? '-'}${isSynced ? '' : ' not synced'}${hasUnackedChanges ? ' unacked' : ''}${halted ? ` ${halted}` : ''}`;
    });
    return `${this.roomId}/${this.name} ${this.#manager.status} ${this.#manager.connection.url} ${parts.join(', ')}`;
  }

  /** Edits at random intervals until `rest()`. */
  type(): void {
    if (this.#timer) return;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.edit();
        this.type();
      },
      this.#random.int(60, 300),
    );
  }

  rest(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  edit(): void {
    if (this.#random.chance(0.6)) this.#editText();
    else this.#editBoard();
  }

  /** Leaves a mark that the others of the room are to see. */
  probe(token: string): void {
    this.#docs.board.getMap('probes').set(this.name, token);
  }

  sees(name: string, token: string): boolean {
    return this.#docs.board.getMap('probes').get(name) === token;
  }

  disconnect(): void {
    this.#manager.disconnect();
  }

  connect(): void {
    this.#manager.connect();
  }

  /** Goes for good, without waiting for anything. */
  leave(): void {
    this.rest();
    this.#manager.destroy();
  }

  states(source = this.name, isFresh = false): FinalState[] {
    return DOCUMENTS.map((docId) => ({
      document: documentName(this.#address(docId)),
      source,
      generation: this.#manager.documentState(docId)?.position?.generation ?? 1,
      state: Y.encodeStateAsUpdate(this.#docs[docId]),
      isFresh,
    }));
  }

  deliveries(): ClientDeliveries[] {
    return [...this.#recorder.documents].map(([document, { events }]) => ({
      client: `${this.roomId}/${this.name}`,
      document,
      events,
    }));
  }

  #address(docId: string): DocumentAddress {
    return { roomId: this.roomId, docId };
  }

  #listen(senderId: string, complain: (text: string) => void): void {
    const manager = this.#manager;
    manager.on('acked', ({ docId, version, position }) => {
      const address = this.#address(docId);
      const update = this.#recorder.of(address).sent.get(version);
      if (!update) return complain(`an ack of version ${version}, which was never sent`);
      const { generation } = position;
      const document = documentName(address);
      this.acks.push({ document, generation, senderId, version, position, update });
    });
    manager.on('update-refused', ({ code, version }) => complain(`version ${version} refused: ${code}`));
    manager.on('document-replaced', ({ reason }) => complain(`document replaced: ${reason}`));
    manager.on('update-failed', ({ error }) => complain(`an update cannot be applied: ${String(error)}`));
    manager.on('join-refused', ({ code }) => complain(`join refused: ${code}`));
    manager.on('permission-denied', ({ code }) => complain(`permission denied: ${code}`));
    manager.on('protocol-error', ({ code }) => complain(`protocol error: ${code}`));
    manager.on('connection-error', ({ code, permanent }) => {
      if (permanent) complain(`connection refused for good: ${code}`);
    });
  }

  #editText(): void {
    const text = this.#docs.text.getText('text');
    const random = this.#random;
    if (text.length > 0 && (text.length > MAX_TEXT_LENGTH || random.chance(0.25))) {
      const at = random.int(0, text.length - 1);
      const most = text.length > MAX_TEXT_LENGTH ? 400 : 12;
      text.delete(at, Math.min(text.length - at, random.int(1, most)));
    } else text.insert(random.int(0, text.length), `${this.name}${random.int(0, 999)} `);
  }

  #editBoard(): void {
    const board = this.#docs.board;
    const random = this.#random;
    const items = board.getArray<Y.Map<unknown>>('items');
    const values = board.getMap('values');
    const key = `k${random.int(0, 9)}`;
    switch (random.weighted({ set: 4, unset: 1, add: 3, remove: 1, change: 3 })) {
      case 'set':
        return void values.set(key, random.int(0, 1_000_000));
      case 'unset':
        return values.delete(key);
      case 'add': {
        if (items.length >= MAX_ITEMS) return items.delete(0, MAX_ITEMS / 2);
        return items.insert(random.int(0, items.length), [new Y.Map([['by', this.name]])]);
      }
      case 'remove':
        return items.length > 0 ? items.delete(random.int(0, items.length - 1), 1) : undefined;
      case 'change':
        if (items.length > 0) items.get(random.int(0, items.length - 1)).set(key, random.int(0, 99));
    }
  }
}
