import * as Y from 'yjs';
import {
  addressKey,
  ChunkAssembler,
  addVersion,
  decodeClientFrame,
  decodeMessage,
  encodeAcks,
  encodeEntries,
  encodeEphemeral,
  encodeState,
  encodeSyncPayload,
  FrameKind,
  NACK_CODES,
  ProtocolMessageType,
  splitFrame,
  SyncMessageType,
  tryDecodeSync,
  type DocumentAddress,
  type JoinAnswer,
  type JoinRequest,
  type Nack,
  type NackCode,
  type Position,
  type VersionRanges,
} from '../../../lib/protocol/index.ts';
import type { Transport, TransportHandlers } from '../../../lib/provider/transport.ts';
import type { LogRecord, ModelServer } from './model-server.ts';

/** One connection: answers come in order, some milliseconds later. */
export class ModelSession implements Transport {
  readonly #server: ModelServer;
  readonly #handlers: TransportHandlers;
  /** By document: offset up to which everything has been sent. */
  readonly joined = new Map<string, number>();
  readonly received: Uint8Array[] = [];
  readonly #senders = new Map<string, string>();
  /** Frames are held back while true: a delivery that is late. */
  isPaused = false;
  maxFrameBytes = 256 * 1024;
  readonly #assembler = new ChunkAssembler(64 * 1024 * 1024);
  /** By document: what this connection has shown last. */
  readonly #awareness = new Map<string, Uint8Array>();
  #joinCount = 0;
  #chunkId = 0;
  isOpen = true;

  constructor(server: ModelServer, handlers: TransportHandlers) {
    this.#server = server;
    this.#handlers = handlers;
    this.isPaused = server.isPausedAtFirst;
    this.#soon(() => handlers.onOpen());
  }

  join(request: JoinRequest, onAnswer: (answer: JoinAnswer) => void): void {
    this.#soon(() => {
      this.#server.joins.push(request);
      const refusal = this.#server.refuseJoin?.(request);
      if (refusal) return this.#soon(() => onAnswer(refusal));
      this.#answer(request, onAnswer);
    });
  }

  leave(address: DocumentAddress): void {
    this.#soon(() => this.joined.delete(addressKey(address)));
  }

  send(frame: Uint8Array): void {
    this.#soon(() => {
      this.received.push(frame);
      this.#onFrame(frame);
    });
  }

  close(): void {
    this.isOpen = false;
    this.#server.sessions.delete(this);
  }

  /** The network breaks: what is on its way is lost. */
  drop(): void {
    if (!this.isOpen) return;
    this.close();
    this.#handlers.onClosed({ message: 'transport close', permanent: false });
  }

  nack(address: DocumentAddress, version: number, code: NackCode, position?: Position): void {
    const { permanent, message } = NACK_CODES[code];
    const nack: Nack = { ...address, version, code, message, permanent, ...(position ? { position } : {}) };
    this.#soon(() => this.#handlers.onNack(nack));
  }

  emitFrame(frame: Uint8Array): void {
    for (const piece of splitFrame(frame, ++this.#chunkId, this.maxFrameBytes)) {
      this.#soon(() => this.#handlers.onFrame(piece));
    }
  }

  /** Sends what the log has behind what was sent: acks alone to a writer of all of it, else entries. */
  deliver(address: DocumentAddress, senderId = this.#senders.get(addressKey(address))): void {
    const key = addressKey(address);
    const sent = this.joined.get(key);
    if (sent === undefined || this.isPaused) return;
    const records = this.#server.log(address).filter(({ position }) => position.offset > sent);
    if (records.length === 0) return;
    this.joined.set(key, records.at(-1)!.position.offset);
    if (records.every((record) => record.senderId === senderId)) this.emitFrame(encodeAcks(address, records));
    else this.emitFrame(encodeEntries(records));
  }

  /** Passes over what has not been sent, as a gateway that lost a queue would without knowing. */
  skip(address: DocumentAddress): boolean {
    const sent = this.joined.get(addressKey(address));
    const last = this.#server.log(address).at(-1)?.position.offset ?? -1;
    if (sent === undefined || sent >= last) return false;
    this.joined.set(addressKey(address), last);
    return true;
  }

  #answer(request: JoinRequest, onAnswer: (answer: JoinAnswer) => void): void {
    const { roomId, docId, subdocId, position: since, stateVector: has } = request;
    const address = { roomId, docId, ...(subdocId === undefined ? {} : { subdocId }) };
    const whole = this.#server.log(address);
    const last = whole.at(-1)?.position.offset ?? -1;
    const generation = this.#server.generation(address);
    const isDelta = since?.generation === generation && since.offset <= last;
    const log = isDelta ? whole : whole.slice(0, whole.length - this.#server.staleBy);
    const end = log.at(-1)?.position ?? { generation, epoch: 1, partition: 3, offset: -1 };
    const state = this.#server.state(address, isDelta ? since.offset : -1, end.offset);
    const update = !isDelta && has ? Y.diffUpdate(state, has) : state;
    const appended: VersionRanges = [];
    for (const record of log) {
      if (record.senderId === request.senderId && record.position.generation === generation)
        addVersion(appended, record.version);
    }
    const join = ++this.#joinCount;
    const head = {
      ...address,
      join,
      position: end,
      kind: isDelta ? ('delta' as const) : ('full' as const),
      appended,
      ...(last > end.offset ? { through: last } : {}),
    };
    const sent = this.#server.dropsNextState ? { ...head, join: 0 } : head;
    this.#server.dropsNextState = false;
    const frame = encodeState(sent, encodeSyncPayload(SyncMessageType.Step2, update));
    this.joined.set(addressKey(address), end.offset);
    this.#senders.set(addressKey(address), request.senderId);
    const stateVector = isDelta ? new Uint8Array() : Y.encodeStateVectorFromUpdate(state);
    const readOnly = this.#server.isReadOnly;
    const stateBytes = frame.byteLength;
    const { limits } = this.#server;
    const answer = { join, position: end, readOnly, stateVector, appended, stateBytes };
    const accepted = { ok: true as const, ...answer, ...(limits ? { limits } : {}) };
    this.#soon(() => onAnswer(accepted));
    this.emitFrame(frame);
    this.deliver(address);
    for (const session of this.#server.sessions) {
      const envelope = session === this ? undefined : session.#awareness.get(addressKey(address));
      if (envelope) this.emitFrame(encodeEphemeral([envelope]));
    }
  }

  #onFrame(bytes: Uint8Array): void {
    const frame = decodeClientFrame(bytes);
    if (!frame.ok) throw new Error(frame.failure.message);
    if (frame.value.kind === FrameKind.Chunk) {
      const whole = this.#assembler.add(frame.value.chunk);
      if (!whole.ok) throw new Error(whole.failure.message);
      if (whole.value) this.#onFrame(whole.value);
      return;
    }
    const acked: LogRecord[] = [];
    for (const envelope of frame.value.envelopes) {
      const message = decodeMessage(envelope);
      if (message.type === ProtocolMessageType.Awareness) this.#fanOutAwareness(envelope);
      else acked.push(...this.#onUpdate(envelope, message));
    }
    if (acked.length > 0) this.emitFrame(encodeAcks(decodeMessage(acked[0]!.envelope).metadata, acked));
  }

  #fanOutAwareness(envelope: Uint8Array): void {
    const key = addressKey(decodeMessage(envelope).metadata);
    this.#awareness.set(key, envelope);
    for (const session of this.#server.sessions) {
      if (session !== this && session.joined.has(key)) session.emitFrame(encodeEphemeral([envelope]));
    }
  }

  /** Appends it, or returns the record of an earlier attempt, which is acked again. */
  #onUpdate(envelope: Uint8Array, { metadata, content }: ReturnType<typeof decodeMessage>): LogRecord[] {
    const { roomId, docId, subdocId, senderId, version } = metadata;
    const address = { roomId, docId, ...(subdocId === undefined ? {} : { subdocId }) };
    if (!this.joined.has(addressKey(address))) {
      this.nack(address, version, 'NOT_JOINED');
      return [];
    }
    const log = this.#server.log(address);
    const known = log.find((record) => record.senderId === senderId && record.version === version);
    if (known) return [known];
    const barrier = log.findLast(({ update }) => update === undefined);
    if (barrier && (metadata.generation ?? 1) < barrier.position.generation) {
      this.nack(address, version, 'GENERATION_CHANGED', barrier.position);
      return [];
    }
    const verdict = this.#server.appendRule({ senderId, version });
    if (verdict) this.#server.refusedRecords.push({ envelope });
    if (verdict === 'lose') return [];
    if (verdict) this.nack(address, version, verdict);
    const sync = tryDecodeSync(content);
    if (!verdict && sync.ok) {
      this.#server.append(address, { envelope, senderId, version, update: sync.value.body.slice() });
    }
    return [];
  }

  #soon(action: () => void): void {
    this.#server.environment.setTimeout(() => {
      if (this.isOpen) action();
    }, 1);
  }
}
