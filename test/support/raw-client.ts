import { randomBytes } from 'node:crypto';
import { io, type Socket } from 'socket.io-client';
import {
  createMetadata,
  encodeClientEntries,
  encodeKafkaEnvelope,
  splitFrame,
  type CloseNotice,
  type DocumentAddress,
  type JoinAnswer,
  type Metadata,
  type Nack,
} from '../../lib/protocol/index.ts';
import { waitFor } from './wait.ts';

/** A socket that can say anything, for tests of what a server does with it. */
export class RawClient {
  readonly socket: Socket;
  readonly senderId = randomBytes(16).toString('hex');
  readonly nacks: Nack[] = [];
  readonly closes: CloseNotice[] = [];
  readonly frames: Uint8Array[] = [];

  constructor(url: string, extraHeaders: Record<string, string> = {}) {
    const options = { forceNew: true, reconnection: false, transports: ['websocket'] };
    this.socket = io(url, { ...options, extraHeaders });
    this.socket.on('protocol-nack', (nack: Nack) => this.nacks.push(nack));
    this.socket.on('protocol-close', (notice: CloseNotice) => this.closes.push(notice));
    this.socket.on('protocol-message', (frame: Uint8Array) => this.frames.push(frame));
  }

  static async connect(url: string): Promise<RawClient> {
    const client = new RawClient(url);
    await waitFor(() => client.socket.connected, { what: 'a connection' });
    return client;
  }

  get isClosed(): boolean {
    return !this.socket.connected;
  }

  ask(event: 'join' | 'leave', request: unknown): Promise<JoinAnswer> {
    return this.socket.timeout(30_000).emitWithAck(event, request) as Promise<JoinAnswer>;
  }

  async join(address: DocumentAddress): Promise<void> {
    const answer = await this.ask('join', { ...address, senderId: this.senderId });
    if (!answer.ok) throw new Error(`The join was refused: ${answer.code}`);
  }

  send(...frame: unknown[]): void {
    this.socket.emit('protocol-message', ...frame);
  }

  /** As a client should do it: in chunks when it is large. */
  sendSplit(frame: Uint8Array, maxFrameBytes: number): void {
    for (const part of splitFrame(frame, 7, maxFrameBytes)) this.send(part);
  }

  /** An envelope with any metadata. */
  envelope(address: DocumentAddress, payload: Uint8Array, fields: Record<string, unknown> = {}): Uint8Array {
    const metadata = createMetadata({ ...address, senderId: this.senderId, version: 0, timestamp: 0 });
    return encodeKafkaEnvelope({ ...metadata, ...fields } as Metadata, payload);
  }

  frameOf(address: DocumentAddress, payload: Uint8Array, fields: Record<string, unknown> = {}): Uint8Array {
    return encodeClientEntries([this.envelope(address, payload, fields)]);
  }
}
