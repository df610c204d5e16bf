import * as Y from 'yjs';
import {
  decodeClientFrame,
  documentKey,
  FrameKind,
  tryDecodeEnvelope,
  tryDecodeSync,
  type Nack,
} from '../../../lib/protocol/index.ts';
import {
  ProtocolManager,
  socketTransport,
  type TransportFactory,
  type TransportHandlers,
} from '../../../lib/provider/index.ts';
import { effectOf, type AckedUpdate, type FinalState } from '../oracle/index.ts';
import { Stopwatch } from '../stopwatch.ts';

const TENANT = 'default';
const DOC_ID = 'text';

export interface RecordingClientOptions {
  /** Gateways; the first is tried first, the next one after a failure. */
  urls: readonly string[];
  room: string;
  /** For reports. */
  name: string;
  connectTimeoutMs?: number;
}

interface Sent {
  generation: number;
  update: Uint8Array;
  /** Of the last time. */
  at: number;
  isNacked: boolean;
}

export interface SeenNack {
  version: number | undefined;
  code: string;
  permanent: boolean;
  /** Since the update was last sent, as far as this process ran. */
  afterMs: number;
}

/**
 * A real provider with one document, of which everything is noted that the oracle needs. What was sent under which
 * version is read from the bytes on their way to the socket, not asked of the provider.
 */
export class RecordingClient {
  readonly doc = new Y.Doc();
  readonly text = this.doc.getText('text');
  readonly manager: ProtocolManager;
  readonly name: string;
  /** As the oracle and `update_history` name it. */
  readonly document: string;
  readonly acks: AckedUpdate[] = [];
  /** What must not happen: a version sent with two payloads, or anything that a user would see as an error. */
  readonly complaints: string[] = [];
  readonly nacks: SeenNack[] = [];
  /** The longest that an update, each time that it was sent, waited for an ack or a nack. */
  slowestAnswerMs = 0;
  readonly #sent = new Map<number, Sent>();
  readonly #clock = new Stopwatch();
  #isSynced = false;
  #hasJoined = false;

  constructor({ urls, room, name, connectTimeoutMs }: RecordingClientOptions) {
    this.name = name;
    this.document = documentKey({ tenantId: TENANT, roomId: room, docId: DOC_ID });
    const timeout = connectTimeoutMs === undefined ? {} : { connectTimeoutMs };
    this.manager = new ProtocolManager({
      url: urls,
      roomId: room,
      transport: this.#listening(socketTransport(timeout)),
    });
    this.manager.on('synced', ({ state }) => {
      this.#isSynced = state;
      this.#hasJoined ||= state;
    });
    this.manager.on('acked', ({ version, position }) => this.#acked(version, position));
    for (const event of [
      'update-refused',
      'document-replaced',
      'permission-denied',
      'join-refused',
      'update-failed',
    ] as const)
      this.manager.on(event, () => this.complaints.push(`${name} in ${room}: ${event}`));
    this.manager.addDoc(this.doc, { docId: DOC_ID });
  }

  /** Has had everything that was in the log when it joined, and still is connected. */
  get isSynced(): boolean {
    return this.#isSynced;
  }

  /** Has been synced at least once. */
  get hasJoined(): boolean {
    return this.#hasJoined;
  }

  get hasUnacked(): boolean {
    return this.manager.hasUnackedChanges;
  }

  /** A word somewhere, or a few characters gone. `random` from 0 to 1. */
  edit(random: () => number, maxLength = 2_000): void {
    const { length } = this.text;
    const at = Math.floor(random() * length);
    const isDeletion = length > 20 && random() < (length > maxLength ? 0.8 : 0.25);
    if (isDeletion) this.text.delete(at, Math.min(length - at, 1 + Math.floor(random() * 12)));
    else this.text.insert(at, `${this.name} `);
  }

  state(isFresh = false): FinalState {
    const { position } = this.manager.documentState(DOC_ID)!;
    return {
      document: this.document,
      source: this.name,
      generation: position?.generation ?? 1,
      state: Y.encodeStateAsUpdate(this.doc),
      isFresh,
    };
  }

  close(): void {
    this.manager.destroy();
    this.doc.destroy();
    this.#clock.stop();
  }

  #acked(version: number, position: AckedUpdate['position']): void {
    const sent = this.#sent.get(version);
    if (!sent) {
      this.complaints.push(`${this.name}: version ${version} was acked and never sent`);
      return;
    }
    this.#sent.delete(version);
    if (!sent.isNacked) this.#answeredAfter(this.#clock.ms - sent.at);
    const { senderId } = this.manager;
    const { generation, update } = sent;
    this.acks.push({
      document: this.document,
      generation,
      senderId,
      version,
      position,
      update: effectOf(update),
    });
  }

  #nacked({ version, code, permanent }: Nack): void {
    const sent = version === undefined ? undefined : this.#sent.get(version);
    const afterMs = sent ? this.#clock.ms - sent.at : 0;
    this.nacks.push({ version, code, permanent, afterMs });
    this.#answeredAfter(afterMs);
    if (sent) sent.isNacked = true;
  }

  #answeredAfter(ms: number): void {
    this.slowestAnswerMs = Math.max(this.slowestAnswerMs, ms);
  }

  #listening(inner: TransportFactory): TransportFactory {
    return (url, auth, handlers) => {
      const onNack: TransportHandlers['onNack'] = (nack) => {
        this.#nacked(nack);
        handlers.onNack(nack);
      };
      const transport = inner(url, auth, { ...handlers, onNack });
      return {
        join: (request, onAnswer) => transport.join(request, onAnswer),
        leave: (address) => transport.leave(address),
        close: () => transport.close(),
        send: (frame) => {
          this.#note(frame);
          transport.send(frame);
        },
      };
    };
  }

  /** Edits here are small, so that nothing but a large upload would travel as chunks. */
  #note(frame: Uint8Array): void {
    const decoded = decodeClientFrame(frame);
    if (!decoded.ok || decoded.value.kind !== FrameKind.Entries) return;
    for (const bytes of decoded.value.envelopes) {
      const envelope = tryDecodeEnvelope(bytes);
      if (!envelope.ok || envelope.value.metadata.version === 0) continue;
      const { metadata, content } = envelope.value;
      const sync = tryDecodeSync(content);
      if (!sync.ok) continue;
      const known = this.#sent.get(metadata.version);
      const update = new Uint8Array(sync.value.body);
      if (known && Buffer.compare(known.update, update) !== 0)
        this.complaints.push(`${this.name}: version ${metadata.version} was sent with two payloads`);
      this.#sent.set(metadata.version, {
        generation: metadata.generation ?? 1,
        update,
        at: this.#clock.ms,
        isNacked: false,
      });
    }
  }
}
