import {
  ChunkAssembler,
  DEFAULT_LIMITS,
  decodeClientFrame,
  decodeServerFrame,
  documentKey,
  FrameKind,
  tryDecodeEnvelope,
  tryDecodeSync,
  type DocumentAddress,
  type Entry,
  type Position,
  type StateHead,
} from '../../../lib/protocol/index.ts';
import { socketTransport, type TransportFactory } from '../../../lib/provider/index.ts';
import type { Delivery } from '../../support/oracle/index.ts';

const TENANT = 'default';
const MAX_MESSAGE_BYTES = 256 * 1024 * 1024;
const READ_LIMITS = { ...DEFAULT_LIMITS, maxMetadataBytes: 0xffff };

export const documentName = (address: DocumentAddress): string =>
  documentKey({ ...address, tenantId: TENANT });

/** What one document of one client sent and was given, taken from the wire: the provider is not asked. */
export interface DocumentRecord {
  /** Bytes of each version that was sent. */
  sent: Map<number, Uint8Array>;
  events: Delivery[];
}

/** Stands between a provider and its socket and notes what passes. */
export class WireRecorder {
  readonly #documents = new Map<string, DocumentRecord>();
  readonly #positionOf: (address: DocumentAddress) => Position | undefined;
  readonly senderId: string;

  constructor(senderId: string, positionOf: (address: DocumentAddress) => Position | undefined) {
    this.senderId = senderId;
    this.#positionOf = positionOf;
  }

  /** By document name. */
  get documents(): ReadonlyMap<string, DocumentRecord> {
    return this.#documents;
  }

  of(address: DocumentAddress): DocumentRecord {
    const name = documentName(address);
    let record = this.#documents.get(name);
    if (!record) this.#documents.set(name, (record = { sent: new Map(), events: [] }));
    return record;
  }

  readonly transport: TransportFactory = (url, auth, handlers) => {
    const connection = new RecordedConnection(this);
    const inner = socketTransport()(url, auth, {
      ...handlers,
      onFrame: (frame) => {
        const touched = connection.received(frame);
        handlers.onFrame(frame);
        for (const address of touched) this.#noteWhere(address);
      },
    });
    return {
      leave: inner.leave,
      close: () => inner.close(),
      send: (frame) => {
        connection.sent(frame);
        inner.send(frame);
      },
      join: (request, onAnswer) => {
        inner.join(request, (answer) => {
          if (answer.ok) connection.joined(answer.join, request.position);
          onAnswer(answer);
        });
      },
    };
  };

  #noteWhere(address: DocumentAddress): void {
    const position = this.#positionOf(address);
    if (position) this.of(address).events.push({ kind: 'at', position });
  }
}

/** One connection: joins and the gateway's own resumes count within it. */
class RecordedConnection {
  readonly #recorder: WireRecorder;
  readonly #incoming = new ChunkAssembler(MAX_MESSAGE_BYTES);
  readonly #outgoing = new ChunkAssembler(MAX_MESSAGE_BYTES);
  readonly #joins = new Map<number, Position | undefined>();
  /** The last position of each document that came over this connection. */
  readonly #last = new Map<string, Position>();

  constructor(recorder: WireRecorder) {
    this.#recorder = recorder;
  }

  joined(join: number, from: Position | undefined): void {
    this.#joins.set(join, from);
  }

  sent(bytes: Uint8Array): void {
    const frame = decodeClientFrame(bytes);
    if (!frame.ok) return;
    if (frame.value.kind === FrameKind.Chunk) {
      const whole = this.#outgoing.add(frame.value.chunk);
      if (whole.ok && whole.value) this.sent(whole.value);
      return;
    }
    for (const envelope of frame.value.envelopes) {
      const message = tryDecodeEnvelope(envelope, READ_LIMITS);
      if (!message.ok || message.value.metadata.version === 0) continue;
      const sync = tryDecodeSync(message.value.content);
      if (!sync.ok) continue;
      const { metadata } = message.value;
      this.#recorder.of(addressOf(metadata)).sent.set(metadata.version, sync.value.body.slice());
    }
  }

  /** Notes what the frame brings; returns the documents that it is about. */
  received(bytes: Uint8Array): DocumentAddress[] {
    const frame = decodeServerFrame(bytes);
    if (!frame.ok) return [];
    const { value } = frame;
    if (value.kind === FrameKind.Chunk) {
      const whole = this.#incoming.add(value.chunk);
      return whole.ok && whole.value ? this.received(whole.value) : [];
    }
    if (value.kind === FrameKind.State) return [this.#state(value.head)];
    if (value.kind === FrameKind.Acks) {
      const { senderId } = this.#recorder;
      for (const { version, position, previous } of value.acks)
        this.#note(value.address, { kind: 'entry', position, previous, senderId, version });
      return [value.address];
    }
    if (value.kind !== FrameKind.Entries) return [];
    const touched = new Map<string, DocumentAddress>();
    for (const entry of value.entries) {
      const address = this.#entry(entry);
      if (address) touched.set(documentName(address), address);
    }
    return [...touched.values()];
  }

  #entry({ envelope, position, previous }: Entry): DocumentAddress | undefined {
    const message = tryDecodeEnvelope(envelope, READ_LIMITS);
    if (!message.ok) return undefined;
    const { metadata } = message.value;
    const { senderId, version, userId } = metadata;
    const address = addressOf(metadata);
    this.#note(address, {
      kind: 'entry',
      position,
      previous,
      senderId,
      version,
      ...(userId === undefined ? {} : { userId }),
    });
    return address;
  }

  /** A delta covers what lies behind the position that it began from: the join's, or the last one sent before. */
  #state(head: StateHead): DocumentAddress {
    const address = addressOf(head);
    const { position, kind, join } = head;
    const from = join === 0 ? this.#last.get(documentName(address)) : this.#joins.get(join);
    if (kind === 'full') this.#note(address, { kind: 'state', position });
    else this.#note(address, { kind: 'entry', position, previous: from?.offset ?? -1 });
    return address;
  }

  #note(address: DocumentAddress, event: Exclude<Delivery, { kind: 'at' }>): void {
    this.#recorder.of(address).events.push(event);
    this.#last.set(documentName(address), event.position);
  }
}

function addressOf({ roomId, docId, subdocId }: DocumentAddress): DocumentAddress {
  return subdocId === undefined ? { roomId, docId } : { roomId, docId, subdocId };
}
