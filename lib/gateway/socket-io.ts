import type { Server as HttpServer } from 'node:http';
import { Server, type Socket } from 'socket.io';
import type { Clock } from '../clock.ts';
import type { Config } from '../config.ts';
import type { Logger } from '../log.ts';
import { CLOSE_CODES, type CloseCode, type CloseNotice } from '../protocol/close-codes.ts';
import { SocketEvent, type Nack } from '../protocol/events.ts';
import { MAX_STATE_VECTOR_BYTES } from '../protocol/limits.ts';
import { NACK_CODES, type NackCode } from '../protocol/nack-codes.ts';
import { clientAddressOf } from './client-address.ts';
import type { Gateway } from './gateway.ts';
import type { ClientTransport, CloseDetails, Identity, SharedEvent, SharedFrame } from './port.ts';
import { queuedBytesOf, writePrebuilt, writePrebuiltEvent } from './prebuilt-frame.ts';
import { ReadingPause } from './reading-pause.ts';
import { createSocketDoor } from './socket-door.ts';
import { TokenLife } from './token-life.ts';

export interface SocketServerParts {
  config: Config;
  clock: Clock;
  logger: Logger;
  httpServer: HttpServer;
  /** Undefined until the gateway can serve: connections are refused, transiently. */
  gateway: () => Gateway | undefined;
}

export interface SocketServer {
  /** Closes what is still open. */
  close(): Promise<void>;
}

const PRESENCE_EVENTS = [SocketEvent.PresenceUpdate, SocketEvent.PresenceViewport] as const;
/** Polling sends binary as base64, and a packet has a head. */
const BASE64_FACTOR = 1.4;
const PACKET_ROOM_BYTES = 16 * 1024;

/** A longer message closes its connection without a reason: a client that keeps to the limits never sends one. */
function messageBoundOf({ maxFrameBytes }: Pick<Config, 'maxFrameBytes'>): number {
  const largest = Math.max(maxFrameBytes, MAX_STATE_VECTOR_BYTES);
  return Math.ceil(largest * BASE64_FACTOR) + PACKET_ROOM_BYTES;
}

/** Socket.IO on the namespace `/` with the default parser, so that any client of any language can connect. */
export function openSocketServer({
  config,
  clock,
  logger,
  httpServer,
  gateway,
}: SocketServerParts): SocketServer {
  const origins = config.corsOrigins.includes('*') ? '*' : [...config.corsOrigins];
  const io = new Server(httpServer, {
    serveClient: false,
    perMessageDeflate: false,
    httpCompression: false,
    pingInterval: config.pingIntervalMs,
    pingTimeout: config.pingTimeoutMs,
    maxHttpBufferSize: messageBoundOf(config),
    connectTimeout: config.handshakeTimeoutMs,
    cors: { origin: origins },
  });
  io.engine.use(createSocketDoor({ config, logger }));

  io.use((socket, next) => {
    const running = gateway();
    if (!running) return next(connectError('UNAVAILABLE'));
    if (!running.hearsOfRights) return next(connectError('UNAVAILABLE'));
    if (running.isDraining) return next(connectError('SERVER_STOPPING', config.drainRetryMs));
    running.identify(socket.handshake.auth).then(
      (result) => {
        if (!result.ok) return next(connectError(result.code));
        (socket.data as { identity?: Identity }).identity = result.identity;
        next();
      },
      (error: unknown) => {
        logger.warn({ err: error }, 'identification failed');
        next(connectError('UNAVAILABLE'));
      },
    );
  });
  io.on('connection', (socket) => {
    const running = gateway();
    const { identity } = socket.data as { identity?: Identity };
    const clientAddress = clientAddressOf(socket.request, config.trustedProxyHops);
    const isWelcome = running && identity && !running.hasEnded(identity);
    if (isWelcome) serve(socket, { running, identity, clientAddress, clock, logger });
    else socket.disconnect(true);
  });
  return {
    close: async () => {
      const closed = io.close();
      endClosingPolls(io);
      await closed;
    },
  };
}

/** The part of engine.io's polling transport that is needed here; others have no such thing. */
interface PollingTransport {
  /** Ends a close that waits for the client's next poll. */
  shouldClose?: (() => void) | null;
}

/** A polling client that is gone never fetches its close, for which engine.io would wait 30 s, also beyond its own end. */
function endClosingPolls(io: Server): void {
  const { clients } = io.engine as unknown as { clients: Record<string, { transport: PollingTransport }> };
  for (const { transport } of Object.values(clients)) transport.shouldClose?.();
}

interface Served {
  running: Gateway;
  identity: Identity;
  clientAddress: string | undefined;
  clock: Clock;
  logger: Logger;
}

function serve(socket: Socket, { running, identity, clientAddress, clock, logger }: Served): void {
  const session = running.open(new SocketTransport(socket, clock), identity, clientAddress);
  // Whatever a client sends must not throw into the event loop.
  const guarded = (work: () => void) => {
    try {
      work();
    } catch (error) {
      logger.error({ err: error, session: session.id }, 'message handler failed');
      session.nack('UNAVAILABLE');
    }
  };
  socket.on(SocketEvent.Message, (frame: unknown) => guarded(() => running.receive(session, frame)));
  for (const event of PRESENCE_EVENTS)
    socket.on(event, (content: unknown) => guarded(() => running.presence.receive(session, event, content)));
  socket.on(SocketEvent.Join, (request: unknown, answer: unknown) =>
    guarded(() => {
      if (typeof answer !== 'function') return session.nack('BAD_REQUEST');
      running.join(session, request, (result) => void answer(result));
    }),
  );
  socket.on(SocketEvent.Leave, (address: unknown, answer: unknown) =>
    guarded(() => {
      if (typeof answer !== 'function') return session.nack('BAD_REQUEST');
      answer(running.leave(session, address));
    }),
  );
  const life = new TokenLife({
    clock,
    access: running,
    session,
    ask: (expiresInMs) => void socket.emit(SocketEvent.Renew, { expiresInMs }),
  });
  socket.on(SocketEvent.Renew, (auth: unknown, answer: unknown) =>
    guarded(() => {
      if (typeof answer !== 'function') return session.nack('BAD_REQUEST');
      life.renew(auth).then(
        (result) => void answer(result),
        (error: unknown) => {
          logger.warn({ err: error }, 'identification failed');
          session.nack('UNAVAILABLE');
        },
      );
    }),
  );
  socket.on('disconnect', () => {
    life.stop();
    guarded(() => session.closed());
  });
}

/** One Socket.IO connection. Frames take the prebuilt path where that keeps the order. */
class SocketTransport implements ClientTransport {
  readonly #socket: Socket;
  readonly #reading: ReadingPause;
  #isClosed = false;

  constructor(socket: Socket, clock: Clock) {
    this.#socket = socket;
    this.#reading = new ReadingPause(socket, clock);
  }

  send(frame: SharedFrame): void {
    if (!writePrebuilt(this.#socket, frame)) this.#socket.emit(SocketEvent.Message, asBuffer(frame.bytes));
  }

  nack(nack: Nack): void {
    this.#socket.emit(SocketEvent.Nack, nack);
  }

  event(event: SharedEvent): void {
    if (!writePrebuiltEvent(this.#socket, event)) this.#socket.emit(event.name, event.content);
  }

  close(code: CloseCode, details: CloseDetails = {}): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const notice: CloseNotice = { code, ...CLOSE_CODES[code], ...details };
    this.#socket.emit(SocketEvent.Close, notice);
    this.#socket.disconnect(true);
  }

  pauseReading(forMs: number): void {
    this.#reading.pause(forMs);
  }

  /**
   * The heartbeat stands behind megabytes in the buffers of the kernel; a slow line would be cut in the middle of every
   * large state, and begin it again for ever. Who takes nothing any more is found out once those buffers are full.
   */
  progressed(): void {
    const { pingTimeoutTimer } = this.#socket.conn as unknown as { pingTimeoutTimer?: NodeJS.Timeout };
    pingTimeoutTimer?.refresh();
  }

  queuedBytes(): number {
    return queuedBytesOf(this.#socket);
  }

  onDrain(callback: () => void): void {
    this.#socket.conn.on('drain', callback);
  }
}

/** engine.io encodes binary for polling by Buffer methods. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function connectError(code: NackCode, retryAfterMs?: number): Error {
  const { message, permanent } = NACK_CODES[code];
  const data = { code, message, permanent, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
  return Object.assign(new Error(message), { data });
}
