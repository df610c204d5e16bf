import type { ClientSession } from '../../../lib/gateway/client-session.ts';
import type { Gateway } from '../../../lib/gateway/gateway.ts';
import type { ClientTransport, SharedFrame } from '../../../lib/gateway/port.ts';
import { CLOSE_CODES, type CloseCode } from '../../../lib/protocol/close-codes.ts';
import type { JoinAnswer, JoinRequest, Nack } from '../../../lib/protocol/events.ts';
import type { Transport, TransportHandlers } from '../../../lib/provider/transport.ts';
import type { Counters } from '../engine/counters.ts';
import type { SimProcess } from '../engine/process.ts';
import type { Weather } from '../engine/weather.ts';

export interface GatewayEnd {
  process: SimProcess;
  /** Undefined until it serves. */
  gateway: Gateway | undefined;
}

/** What watches the wire: coverage and the oracle. */
export interface WireTap {
  onServerFrame(connection: SimConnection, frame: Uint8Array): void;
  onClientFrame(connection: SimConnection, frame: Uint8Array): void;
  onJoin(connection: SimConnection, request: JoinRequest): void;
  onAnswer(connection: SimConnection, request: JoinRequest, answer: JoinAnswer): void;
  onNack(connection: SimConnection, nack: Nack): void;
}

export interface ConnectionParts {
  client: SimProcess;
  server: GatewayEnd | undefined;
  tenantId: string;
  handlers: TransportHandlers;
  weather: Weather;
  counters: Counters;
  tap: WireTap;
}

const PING_TIMEOUT_MS = 10_000;

interface LaneParts {
  from: SimProcess;
  to: SimProcess;
  label: string;
}

/** In order, each message some time later. */
class Lane {
  readonly #parts: LaneParts;
  #lastAt = 0;

  constructor(parts: LaneParts) {
    this.#parts = parts;
  }

  post(deliver: () => void): void {
    const { from, to, label } = this.#parts;
    const { scheduler, random } = from;
    this.#lastAt = Math.max(this.#lastAt, scheduler.now + random.delay(4, 90));
    scheduler.after(this.#lastAt - scheduler.now, label, deliver, to);
  }
}

/** One connection between a client and a gateway, with both its ends. */
export class SimConnection {
  readonly client: SimProcess;
  readonly server: GatewayEnd | undefined;
  readonly clientEnd: Transport;
  /** Something has waited for this client since this was last reset. */
  wasStuck = false;
  readonly #parts: ConnectionParts;
  readonly #up: Lane;
  readonly #down: Lane;
  #session: ClientSession | undefined;
  /** Nothing gets through any more, whatever both ends believe. */
  #isCut = false;
  #arrivesAfterCut = false;
  #clientEnded = false;
  #serverEnded = false;
  #backlog: { bytes: number; deliver: () => void }[] = [];
  #queuedBytes = 0;
  #onDrain: () => void = () => undefined;

  constructor(parts: ConnectionParts) {
    this.#parts = parts;
    const { client, server } = parts;
    this.client = client;
    this.server = server;
    this.#up = new Lane({ from: client, to: server?.process ?? client, label: 'up' });
    this.#down = new Lane({ from: client, to: client, label: 'down' });
    this.clientEnd = this.#makeClientEnd();
    this.#connect();
  }

  /** Cut, and one of its ends has not noticed. */
  get isHalfDead(): boolean {
    const isServed =
      this.#session !== undefined && !this.#serverEnded && this.server?.process.isDead === false;
    return this.#isCut && ((!this.#clientEnded && !this.client.isDead) || isServed);
  }

  #makeClientEnd(): Transport {
    const { tap } = this.#parts;
    return {
      join: (request, onAnswer) =>
        this.#sendUp((gateway, session) => {
          tap.onJoin(this, request);
          gateway.join(session, request, (answer) => {
            tap.onAnswer(this, request, answer);
            this.#sendDown(0, () => onAnswer(answer));
          });
        }),
      leave: (address) => this.#sendUp((gateway, session) => void gateway.leave(session, address)),
      send: (frame) =>
        this.#sendUp((gateway, session) => {
          tap.onClientFrame(this, frame);
          gateway.receive(session, frame);
        }),
      close: () => {
        if (this.#clientEnded) return;
        this.#sendUp(() => this.#endServer());
        this.#clientEnded = true;
      },
    };
  }

  #makeServerEnd(): ClientTransport {
    const { tap, handlers } = this.#parts;
    return {
      send: ({ bytes }: SharedFrame) => {
        tap.onServerFrame(this, bytes);
        this.#sendDown(bytes.byteLength, () => handlers.onFrame(bytes));
      },
      nack: (nack) => {
        tap.onNack(this, nack);
        this.#sendDown(128, () => handlers.onNack(nack));
      },
      close: (code) => this.#closeByServer(code),
      queuedBytes: () => this.#queuedBytes,
      onDrain: (callback) => {
        this.#onDrain = callback;
      },
    };
  }

  // ---- the wire

  /** Both ends go on until they notice; what the client has sent already may still arrive. */
  cut(noticed: { byClientMs: number; byServerMs: number; arrives: boolean }): void {
    if (this.#isCut) return;
    this.#isCut = true;
    this.#arrivesAfterCut = noticed.arrives;
    this.client.after(noticed.byClientMs, 'cut noticed', () => this.#endClient('transport close'));
    this.server?.process.after(noticed.byServerMs, 'cut noticed', () => this.#endServer());
  }

  /** What waited for a slow client goes on. */
  drain(): void {
    if (this.#backlog.length === 0) return;
    const waiting = this.#backlog;
    this.#backlog = [];
    this.#queuedBytes = 0;
    for (const { deliver } of waiting) this.#down.post(deliver);
    this.server?.process.after(0, 'drain', () => this.#onDrain());
  }

  #connect(): void {
    const { client, server, handlers, tenantId } = this.#parts;
    const refuse = () => {
      client.after(client.random.delay(5, 60), 'refused', () => this.#endClient('connect_error'));
    };
    if (!server || server.process.isDead) return refuse();
    client.after(PING_TIMEOUT_MS, 'connect timeout', () => {
      if (!this.#session) this.#endClient('timeout');
    });
    this.#up.post(() => {
      if (this.#clientEnded || this.#isCut) return;
      if (!server.gateway) return refuse();
      this.#session = server.gateway.open(this.#makeServerEnd(), { tenantId });
      this.#sendDown(0, () => handlers.onOpen());
    });
  }

  #sendUp(work: (gateway: Gateway, session: ClientSession) => void): void {
    if (this.#clientEnded || this.#isCut) return;
    this.#up.post(() => {
      const gateway = this.server?.gateway;
      if (!gateway || !this.#session || this.#serverEnded) return;
      if (this.#isCut && !this.#arrivesAfterCut) return;
      work(gateway, this.#session);
    });
  }

  #sendDown(bytes: number, work: () => void): void {
    if (this.#serverEnded) return;
    const deliver = () => {
      if (!this.#clientEnded && !this.#isCut) work();
    };
    const isStuck = this.#isCut || this.#backlog.length > 0 || this.#isSlow();
    if (!isStuck) return this.#down.post(deliver);
    this.wasStuck = true;
    this.#backlog.push({ bytes, deliver });
    this.#queuedBytes += bytes;
    if (!this.#isCut && this.#backlog.length === 1) this.#drainWhenFast();
  }

  #isSlow(): boolean {
    return this.#parts.weather.is('slow-client', this.client.name);
  }

  #drainWhenFast(): void {
    const { scheduler } = this.client;
    const until = this.#parts.weather.until('slow-client', this.client.name);
    scheduler.after(until - scheduler.now, 'unstuck', () =>
      this.#isSlow() ? this.#drainWhenFast() : this.drain(),
    );
  }

  #closeByServer(code: CloseCode): void {
    if (this.#serverEnded) return;
    this.#parts.counters.count(`close-${code}`);
    this.#serverEnded = true;
    if (this.#isCut) return;
    this.#down.post(() => {
      if (this.#clientEnded || this.#isCut) return;
      this.#parts.handlers.onCloseNotice({ code, ...CLOSE_CODES[code] });
      this.#endClient('io server disconnect');
    });
  }

  #endClient(message: string): void {
    if (this.#clientEnded) return;
    this.#clientEnded = true;
    this.#parts.handlers.onClosed({ message, permanent: false });
    // The gateway hears of it like of any closed socket, unless the wire is dead.
    if (!this.#isCut && this.server) this.#up.post(() => this.#endServer());
  }

  #endServer(): void {
    if (this.#serverEnded) return;
    this.#serverEnded = true;
    this.#session?.closed();
  }
}
