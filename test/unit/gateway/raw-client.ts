import { randomBytes } from 'node:crypto';
import { io, type Socket } from 'socket.io-client';
import * as Y from 'yjs';
import {
  addressKey,
  ChunkAssembler,
  createMetadata,
  decodeServerFrame,
  encodeClientEntries,
  encodeKafkaEnvelope,
  encodeSyncPayload,
  FrameKind,
  splitFrame,
  SyncMessageType,
  tryDecodeEnvelope,
  tryDecodeSync,
  type Ack,
  type CloseNotice,
  type DocumentAddress,
  type Entry,
  type JoinAccepted,
  type JoinAnswer,
  type JoinRequest,
  type LeaveAnswer,
  type Nack,
  type StateHead,
} from '../../../lib/protocol/index.ts';
import { waitFor } from '../../support/wait.ts';
import { onCleanUp } from './harness.ts';

export type Seen =
  | { kind: 'entries'; entries: Entry[] }
  | { kind: 'acks'; address: DocumentAddress; acks: Ack[] }
  | { kind: 'ephemeral'; envelopes: Uint8Array[] }
  | { kind: 'state'; head: StateHead; bytes: number }
  | { kind: 'nack'; nack: Nack };

export interface RawClientOptions {
  transports?: string[];
  /** Of the handshake. */
  auth?: Record<string, unknown>;
}

/** A client that does nothing by itself: it keeps everything it gets, in order, and applies it to documents. */
export class RawClient {
  readonly socket: Socket;
  readonly senderId = randomBytes(16).toString('hex');
  readonly seen: Seen[] = [];
  readonly docs = new Map<string, Y.Doc>();
  closeNotice: CloseNotice | undefined;
  #chunks = new ChunkAssembler(64 * 1024 * 1024);
  #versions = new Map<string, number>();
  #nextChunkId = 1;

  constructor(url: string, options: RawClientOptions = {}) {
    this.socket = io(url, {
      ...(options.auth ? { auth: options.auth } : {}),
      transports: options.transports ?? ['websocket'],
      reconnection: false,
      forceNew: true,
    });
    this.socket.on('protocol-message', (frame: Uint8Array) => this.#receive(new Uint8Array(frame)));
    this.socket.on('protocol-nack', (nack: Nack) => this.seen.push({ kind: 'nack', nack }));
    this.socket.on('protocol-close', (notice: CloseNotice) => (this.closeNotice = notice));
    onCleanUp(async () => void this.socket.disconnect());
  }

  static async connect(url: string, options: RawClientOptions = {}): Promise<RawClient> {
    const client = new RawClient(url, options);
    await waitFor(() => client.socket.connected, { what: 'the client is connected' });
    return client;
  }

  doc(address: DocumentAddress): Y.Doc {
    const key = addressKey(address);
    let doc = this.docs.get(key);
    if (!doc) this.docs.set(key, (doc = new Y.Doc()));
    return doc;
  }

  text(address: DocumentAddress): string {
    return this.doc(address).getText('t').toString();
  }

  async tryJoin(request: Partial<JoinRequest> & DocumentAddress): Promise<JoinAnswer> {
    return this.socket.timeout(30_000).emitWithAck('join', { senderId: this.senderId, ...request });
  }

  /** Joins and waits for the state. */
  async join(request: Partial<JoinRequest> & DocumentAddress): Promise<JoinAccepted> {
    const answer = await this.tryJoin(request);
    if (!answer.ok) throw new Error(`join refused: ${answer.code}`);
    await waitFor(() => this.states(request).some(({ join }) => join === answer.join), {
      what: 'the state of the join',
    });
    return answer;
  }

  leave(address: DocumentAddress): Promise<LeaveAnswer> {
    return this.socket.timeout(30_000).emitWithAck('leave', address);
  }

  /** The server has taken what was sent before, and what it had to say to that at once is here. */
  async answered(): Promise<void> {
    await this.leave({ roomId: 'nowhere', docId: 'a' });
  }

  /** An update that appends text; applied locally, not sent. */
  edit(address: DocumentAddress, text: string): Uint8Array {
    return this.change(address, (doc) => doc.getText('t').insert(doc.getText('t').length, text));
  }

  /** The update that a change makes; applied locally, not sent. */
  change(address: DocumentAddress, change: (doc: Y.Doc) => void): Uint8Array {
    const doc = this.doc(address);
    const before = Y.encodeStateVector(doc);
    change(doc);
    return Y.encodeStateAsUpdate(doc, before);
  }

  nextVersion(address: DocumentAddress): number {
    const key = addressKey(address);
    const version = (this.#versions.get(key) ?? 0) + 1;
    this.#versions.set(key, version);
    return version;
  }

  envelope(address: DocumentAddress, payload: Uint8Array, fields: Record<string, unknown> = {}): Uint8Array {
    const metadata = { ...createMetadata({ ...address, senderId: this.senderId, version: 0 }), ...fields };
    return encodeKafkaEnvelope(metadata, payload);
  }

  /** Sends one update; returns its version. */
  send(address: DocumentAddress, update: Uint8Array, fields: Record<string, unknown> = {}): number {
    const version = (fields.version as number | undefined) ?? this.nextVersion(address);
    const payload = encodeSyncPayload(SyncMessageType.Update, update);
    this.sendFrame(encodeClientEntries([this.envelope(address, payload, { ...fields, version })]));
    return version;
  }

  type(address: DocumentAddress, text: string): number {
    return this.send(address, this.edit(address, text));
  }

  sendFrame(frame: Uint8Array): void {
    for (const part of splitFrame(frame, this.#nextChunkId++, 256 * 1024))
      this.socket.emit('protocol-message', Buffer.from(part));
  }

  states(address: DocumentAddress): StateHead[] {
    return this.seen.flatMap((seen) =>
      seen.kind === 'state' && addressKey(seen.head) === addressKey(address) ? [seen.head] : [],
    );
  }

  acks(address: DocumentAddress): Ack[] {
    return this.seen.flatMap((seen) =>
      seen.kind === 'acks' && addressKey(seen.address) === addressKey(address) ? seen.acks : [],
    );
  }

  entries(): Entry[] {
    return this.seen.flatMap((seen) => (seen.kind === 'entries' ? seen.entries : []));
  }

  nacks(): Nack[] {
    return this.seen.flatMap((seen) => (seen.kind === 'nack' ? [seen.nack] : []));
  }

  /** Versions of this client that the server has told to be in the log: by ack, own entry or state. */
  isAcked(address: DocumentAddress, version: number): boolean {
    return (
      this.acks(address).some((ack) => ack.version === version) ||
      this.entries().some(({ envelope }) => {
        const message = tryDecodeEnvelope(envelope);
        return (
          message.ok &&
          message.value.metadata.senderId === this.senderId &&
          message.value.metadata.version === version &&
          addressKey(message.value.metadata) === addressKey(address)
        );
      }) ||
      this.states(address).some(({ appended }) =>
        appended.some(([from, to]) => version >= from && version <= to),
      )
    );
  }

  #receive(bytes: Uint8Array): void {
    const frame = decodeServerFrame(bytes);
    if (!frame.ok) throw new Error(`unreadable frame: ${frame.failure.code}`);
    switch (frame.value.kind) {
      case FrameKind.Chunk: {
        const whole = this.#chunks.add(frame.value.chunk);
        if (!whole.ok) throw new Error(`bad chunk: ${whole.failure.code}`);
        if (whole.value) this.#receive(whole.value);
        return;
      }
      case FrameKind.Entries:
        for (const { envelope } of frame.value.entries) this.#apply(envelope);
        this.seen.push({ kind: 'entries', entries: frame.value.entries });
        return;
      case FrameKind.Acks:
        this.seen.push({ kind: 'acks', address: frame.value.address, acks: frame.value.acks });
        return;
      case FrameKind.Ephemeral:
        this.seen.push({ kind: 'ephemeral', envelopes: frame.value.envelopes });
        return;
      case FrameKind.State: {
        const { head, payload } = frame.value;
        const sync = tryDecodeSync(payload.subarray(1));
        if (!sync.ok) throw new Error('bad state');
        Y.applyUpdate(this.doc(head), sync.value.body);
        this.seen.push({ kind: 'state', head, bytes: payload.byteLength });
      }
    }
  }

  #apply(envelope: Uint8Array): void {
    const message = tryDecodeEnvelope(envelope);
    if (!message.ok) throw new Error(`unreadable envelope: ${message.failure.code}`);
    const { metadata, type, content } = message.value;
    if (type !== 0) return;
    const sync = tryDecodeSync(content);
    if (!sync.ok) throw new Error('unreadable update');
    const { roomId, docId, subdocId } = metadata;
    Y.applyUpdate(
      this.doc(subdocId === undefined ? { roomId, docId } : { roomId, docId, subdocId }),
      sync.value.body,
    );
  }
}
