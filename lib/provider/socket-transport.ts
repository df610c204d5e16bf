import { io, type Socket } from 'socket.io-client';
import {
  SocketEvent,
  type ClientToServerEvents,
  type CloseNotice,
  type JoinAnswer,
  type Nack,
  type RenewRequest,
  type ServerToClientEvents,
} from '../protocol/index.ts';
import type { Transport, TransportClosed, TransportFactory, TransportHandlers } from './transport.ts';

export interface SocketTransportOptions {
  /** Path of the Socket.IO endpoint. Default `/socket.io`. */
  path?: string;
  /** engine.io transports, in order. Default `['websocket']`; add `'polling'` where proxies break websockets. */
  transports?: ('websocket' | 'polling')[];
  /**
   * Upper bound in milliseconds of a connection attempt. The first ones get less (a quarter, a half), since a
   * gateway that hangs takes connections and never answers. Default 10,000.
   */
  connectTimeoutMs?: number;
}

const PRESENCE_EVENTS = [
  SocketEvent.PresenceSync,
  SocketEvent.PresenceJoin,
  SocketEvent.PresenceLeave,
] as const;

type ClientSocket = Socket<ServerToClientEvents, ClientToServerEvents>;

/** Bytes as the library hands them over: ArrayBuffer in browsers, Buffer in Node (whose `slice` does not copy). */
function toBytes(data: unknown): Uint8Array | undefined {
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return undefined;
}

interface ConnectError extends Error {
  /** What the server's handshake put there. */
  data?: { code?: unknown; message?: unknown; permanent?: unknown; retryAfterMs?: unknown };
}

function closedBy(error: ConnectError): TransportClosed {
  const { code, message, permanent, retryAfterMs } = error.data ?? {};
  return {
    ...(typeof code === 'string' ? { code } : {}),
    message: typeof message === 'string' ? message : error.message,
    permanent: permanent === true,
    ...(typeof retryAfterMs === 'number' ? { retryAfterMs } : {}),
    cause: error,
  };
}

function withBytes(answer: JoinAnswer): JoinAnswer {
  return answer.ok ? { ...answer, stateVector: toBytes(answer.stateVector) ?? new Uint8Array() } : answer;
}

/** Socket.IO with its default parser. One Manager for each attempt: reconnecting is ProtocolConnection's work. */
export function socketTransport(options: SocketTransportOptions = {}): TransportFactory {
  return (url, auth, handlers) => {
    const socket: ClientSocket = io(url, {
      path: options.path ?? '/socket.io',
      transports: options.transports ?? ['websocket'],
      timeout: options.connectTimeoutMs ?? 10_000,
      forceNew: true,
      auth,
      // The delays are set although they are unused, so that nobody falls back to the library's by turning it on.
      reconnection: false,
      reconnectionDelay: 250,
      reconnectionDelayMax: 10_000,
      randomizationFactor: 0.5,
    });
    return new SocketTransport(socket, handlers);
  };
}

class SocketTransport implements Transport {
  readonly #socket: ClientSocket;
  #ended = false;

  constructor(socket: ClientSocket, handlers: TransportHandlers) {
    this.#socket = socket;
    const end = (reason: TransportClosed) => {
      if (this.#ended) return;
      this.#ended = true;
      socket.disconnect();
      handlers.onClosed(reason);
    };
    socket.on('connect', () => handlers.onOpen());
    socket.on('connect_error', (error) => end(closedBy(error as ConnectError)));
    socket.on('disconnect', (reason) => end({ message: reason, permanent: false }));
    socket.on(SocketEvent.Message, (data: unknown) => {
      const frame = toBytes(data);
      if (frame && !this.#ended) handlers.onFrame(frame);
    });
    socket.on(SocketEvent.Nack, (nack: Nack) => {
      if (!this.#ended) handlers.onNack(nack);
    });
    socket.on(SocketEvent.Renew, ({ expiresInMs }: RenewRequest) => {
      if (!this.#ended) handlers.onRenew?.(expiresInMs);
    });
    for (const event of PRESENCE_EVENTS)
      socket.on(event, (content: unknown) => {
        if (typeof content === 'object' && content !== null && !this.#ended)
          handlers.onPresence?.({ event, content });
      });
    socket.on(SocketEvent.Close, (notice: CloseNotice) => {
      if (!this.#ended) handlers.onCloseNotice(notice);
    });
  }

  join: Transport['join'] = (request, onAnswer) => {
    this.#socket.emit(SocketEvent.Join, request, (answer) => {
      if (!this.#ended) onAnswer(withBytes(answer));
    });
  };

  leave: Transport['leave'] = (address) => {
    this.#socket.emit(SocketEvent.Leave, address, () => undefined);
  };

  send(frame: Uint8Array): void {
    this.#socket.emit(SocketEvent.Message, frame);
  }

  showPresence: NonNullable<Transport['showPresence']> = ({ event, content }) => {
    (this.#socket as Socket).emit(event, content);
  };

  renew: NonNullable<Transport['renew']> = (token, onAnswer) => {
    this.#socket.emit(SocketEvent.Renew, { token }, (answer) => {
      if (!this.#ended) onAnswer(answer);
    });
  };

  close(): void {
    this.#ended = true;
    this.#socket.disconnect();
  }
}
