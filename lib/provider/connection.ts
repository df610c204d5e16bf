import {
  ChunkAssembler,
  DEFAULT_LIMITS,
  decodeServerFrame,
  FrameKind,
  ProtocolMessageType,
  splitFrame,
  tryDecodeEnvelope,
  type Chunk,
  type DocumentAddress,
  type HandshakeAuth,
  type JoinAnswer,
  type JoinRequest,
  type Position,
} from '../protocol/index.ts';
import { askNeeds, attemptLimitMs, knownNeeds, urlList, type AttemptNeeds } from './attempt.ts';
import { Backoff } from './backoff.ts';
import type { ConnectionErrorEvent, ConnectionEvents } from './connection-events.ts';
import type { ConnectionOptions, ConnectionStatus } from './connection-options.ts';
import { TypedEmitter } from './emitter.ts';
import { Alarm, systemEnvironment } from './environment.ts';
import { socketTransport } from './socket-transport.ts';
import { StateProgress } from './state-progress.ts';
import { TokenRenewal } from './token-renewal.ts';
import type { PresenceMessage, Transport, TransportClosed, TransportHandlers } from './transport.ts';

const EVENT_OF_TYPE = {
  [ProtocolMessageType.Sync]: 'message-sync',
  [ProtocolMessageType.Awareness]: 'message-awareness',
  [ProtocolMessageType.Auth]: 'message-auth',
  [ProtocolMessageType.QueryAwareness]: undefined, // gateways answer it; a client is never asked
  [ProtocolMessageType.Control]: 'message-control',
} as const;

/** Metadata from the server may carry more than a client may write. */
const READ_LIMITS = { ...DEFAULT_LIMITS, maxMetadataBytes: 0xffff };

/**
 * One connection to a gateway for any number of documents: frames in and out, chunks both ways, reconnects
 * with jitter. It knows nothing of what the documents contain. Events come in the order of the server's messages.
 */
export class ProtocolConnection extends TypedEmitter<ConnectionEvents> {
  readonly #options: ConnectionOptions;
  readonly #retry: Alarm;
  /** Of the attempt under way. */
  readonly #limit: Alarm;
  readonly #backoff: Backoff;
  readonly #assembler: ChunkAssembler;
  readonly #progress = new StateProgress();
  readonly #renewal: TokenRenewal;
  #status: ConnectionStatus = 'closed';
  #transport: Transport | undefined;
  /** Counts attempts, so that a late token or event of an earlier one is told apart. */
  #attempt = 0;
  #urls: readonly string[] = [];
  #urlIndex = 0;
  #nextChunkId = 1;
  /** Of the last join's answer: updates are sent behind one only. */
  #serverLimits: { maxUpdateBytes?: unknown; maxFrameBytes?: unknown } = {};
  #notice: TransportClosed | undefined;
  #unauthenticatedBefore = false;

  constructor(options: ConnectionOptions) {
    super();
    this.#options = options;
    if (typeof options.url !== 'function') this.#urls = urlList(options.url);
    const environment = options.environment ?? systemEnvironment;
    this.#retry = new Alarm(environment);
    this.#limit = new Alarm(environment);
    this.#renewal = new TokenRenewal({
      getToken: options.getToken,
      environment,
      transport: () => this.#transport,
    });
    this.#backoff = new Backoff({
      minMs: options.reconnectMinMs ?? 250,
      maxMs: options.reconnectMaxMs ?? 10_000,
      random: environment.random,
    });
    this.#assembler = new ChunkAssembler(options.maxMessageBytes ?? 256 * 1024 * 1024);
    // Deferred, so that listeners hear of it; not when it has been ended in the meantime.
    if (options.autoConnect !== false) environment.defer(() => this.#attempt === 0 && this.connect());
  }

  get status(): ConnectionStatus {
    return this.#status;
  }

  /** Of the attempt under way or the next one; empty while a function has not named any. */
  get url(): string {
    return this.#urls[this.#urlIndex % this.#urls.length] ?? '';
  }

  /** Connects, also after a close; does nothing while connecting or connected. */
  connect(): void {
    if (this.#status === 'connecting' || this.#status === 'connected') return;
    this.#retry.clear();
    this.#setStatus('connecting');
    const attempt = ++this.#attempt;
    this.#notice = undefined;
    const known = knownNeeds(this.#options);
    if (known) return this.#open(attempt, known);
    askNeeds(this.#options).then(
      (needs) => this.#open(attempt, needs),
      (reason: TransportClosed) => attempt === this.#attempt && this.#fail(reason),
    );
  }

  /** Ends the connection; no further attempt until `connect()`. */
  disconnect(): void {
    this.#attempt++;
    this.#retry.clear();
    this.#limit.clear();
    this.#dropTransport()?.close();
    this.#setStatus('closed');
  }

  /** Disconnects and forgets all listeners. */
  destroy(): void {
    this.disconnect();
    this.removeAllListeners();
  }

  /** The answer may never come when the connection ends first. Must be connected. */
  join(request: JoinRequest, onAnswer: (answer: JoinAnswer) => void): void {
    this.#transport?.join(request, (answer) => {
      if (answer.ok && answer.limits) this.#serverLimits = answer.limits;
      onAnswer(answer);
    });
  }

  /** What the server takes at most in one update, as far as it has said so. */
  get maxUpdateBytes(): number {
    return sizeOr(this.#serverLimits.maxUpdateBytes, Infinity);
  }

  /** Largest frame that is sent in one piece. */
  get maxFrameBytes(): number {
    const own = this.#options.maxFrameBytes ?? DEFAULT_LIMITS.maxFrameBytes;
    return Math.min(own, sizeOr(this.#serverLimits.maxFrameBytes, own));
  }

  leave(address: DocumentAddress): void {
    if (this.#status === 'connected') this.#transport?.leave(address);
  }

  /** What is shown while not connected is dropped. */
  showPresence(message: PresenceMessage): void {
    if (this.#status === 'connected') this.#transport?.showPresence?.(message);
  }

  /** Sends a frame, as chunks when it is large. What is sent while not connected is dropped. */
  send(frame: Uint8Array): void {
    const transport = this.#transport;
    if (!transport || this.#status !== 'connected') return;
    for (const piece of splitFrame(frame, this.#nextChunkId++, this.maxFrameBytes)) transport.send(piece);
  }

  #open(attempt: number, { urls, token }: AttemptNeeds): void {
    if (attempt !== this.#attempt) return;
    if (urls) this.#urls = urls;
    const auth: HandshakeAuth = token === undefined ? {} : { token };
    const isCurrent = () => attempt === this.#attempt;
    const handlers: TransportHandlers = {
      onOpen: () => isCurrent() && this.#onOpen(),
      onFrame: (frame) => isCurrent() && this.#onFrame(frame),
      onRenew: (expiresInMs) => isCurrent() && this.#renewal.ask(expiresInMs),
      onNack: (nack) => isCurrent() && this.emit('nack', nack),
      onPresence: (message) => isCurrent() && this.emit('presence', message),
      onCloseNotice: (notice) => {
        if (!isCurrent()) return;
        this.#notice = notice;
        this.emit('close-notice', notice);
      },
      onClosed: (reason) => isCurrent() && this.#fail(this.#notice ?? reason),
    };
    const factory = this.#options.transport ?? socketTransport(this.#options);
    const limitMs = attemptLimitMs(this.#options.connectTimeoutMs ?? 10_000, this.#backoff.attempts);
    this.#limit.set(limitMs, () => this.#fail({ message: 'timeout', permanent: false }));
    this.#transport = factory(this.url, auth, handlers);
  }

  #onOpen(): void {
    this.#limit.clear();
    this.#backoff.reset();
    this.#unauthenticatedBefore = false;
    this.#setStatus('connected');
  }

  /** A failed attempt or a lost connection: report it, then try again unless that is of no use. */
  #fail(reason: TransportClosed): void {
    const wasConnected = this.#status === 'connected';
    this.#attempt++;
    this.#limit.clear();
    this.#dropTransport()?.close();
    const permanent = reason.permanent && !this.#mayRenewToken(reason);
    const error: ConnectionErrorEvent = {
      code: reason.code ?? 'CONNECT_FAILED',
      message: reason.message,
      permanent,
      url: this.url,
      ...(reason.cause === undefined ? {} : { cause: reason.cause }),
    };
    this.#urlIndex++;
    // The status comes first: its listeners take back what was under way on the lost connection.
    this.#setStatus(permanent ? 'closed' : 'disconnected');
    if (!wasConnected || reason.code !== undefined || permanent) this.emit('connection-error', error);
    if (this.#status === 'disconnected')
      this.#retry.set(this.#backoff.nextMs(reason.retryAfterMs), () => this.connect());
  }

  /** A token may have expired on the way: one attempt with a fresh one, then the refusal counts. */
  #mayRenewToken(reason: TransportClosed): boolean {
    if (reason.code !== 'UNAUTHENTICATED' || !this.#options.getToken || this.#unauthenticatedBefore)
      return false;
    this.#unauthenticatedBefore = true;
    return true;
  }

  #dropTransport(): Transport | undefined {
    const transport = this.#transport;
    this.#transport = undefined;
    this.#renewal.stop();
    this.#assembler.reset();
    return transport;
  }

  #setStatus(status: ConnectionStatus): void {
    if (status === this.#status) return;
    this.#status = status;
    this.emit('status', { status });
  }

  #onFrame(bytes: Uint8Array): void {
    const frame = decodeServerFrame(bytes);
    if (!frame.ok) return this.emit('protocol-error', frame.failure);
    const { value } = frame;
    switch (value.kind) {
      case FrameKind.Entries:
        for (const entry of value.entries) this.#onEnvelope(entry.envelope, entry);
        return;
      case FrameKind.Ephemeral:
        for (const envelope of value.envelopes) this.#onEnvelope(envelope);
        return;
      case FrameKind.Acks:
        return this.emit('acks', value);
      case FrameKind.State:
        return this.emit('state', value);
      case FrameKind.Chunk:
        return this.#onChunk(value.chunk);
    }
  }

  #onChunk(chunk: Chunk): void {
    const whole = this.#assembler.add(chunk);
    if (!whole.ok) return this.emit('protocol-error', whole.failure);
    const progress = this.#progress.add(chunk);
    if (progress) this.emit('progress', progress);
    if (whole.value && whole.value[0] !== FrameKind.Chunk) this.#onFrame(whole.value);
  }

  #onEnvelope(bytes: Uint8Array, at?: { position: Position; previous: number }): void {
    const message = tryDecodeEnvelope(bytes, READ_LIMITS);
    if (!message.ok) return this.emit('protocol-error', message.failure);
    const { metadata, payload, type } = message.value;
    const name = EVENT_OF_TYPE[type];
    if (name) this.emit(name, { metadata, position: at?.position, previous: at?.previous, payload });
  }
}

/** Less than this can hold no update at all. */
const MIN_LIMIT_BYTES = 1024;

function sizeOr(value: unknown, fallback: number): number {
  return typeof value === 'number' && value >= MIN_LIMIT_BYTES ? value : fallback;
}
