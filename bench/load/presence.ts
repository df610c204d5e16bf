import { setTimeout as sleep } from 'node:timers/promises';
import { Histogram } from './histogram.ts';
import { RawWebSocket } from './raw-websocket.ts';
import { nowUs } from './stamped-updates.ts';

/** A load process: people in rooms, each moving a cursor; the place of the cursor is the time at which it was sent. */
export interface PresenceSpec {
  /** Of the gateways; the people of a room are at them by turns. */
  urls: readonly string[];
  /** Those that are this process's own. */
  rooms: readonly number[];
  peopleInRoom: number;
  movesPerSecond: number;
  warmUpMs: number;
  measureMs: number;
}

export interface PresenceResult {
  moves: number;
  /** Cursors of others that a reader has seen, for one reader; messages that anybody got. */
  seen: number;
  readers: number;
  messages: number;
  measuredMs: number;
  /** Of those who are at the gateway of who moves, and of the others. */
  latency: number[];
  latencyElsewhere: number[];
  troubles: Record<string, number>;
}

export type PresenceReport = 'connected' | 'measuring' | 'measured' | PresenceResult;

const CONNECT_AT_ONCE = 25;
const TICK_MS = 2;
const USER = /"cursor":\{"x":(\d+),"y":(\d+)\}/g;
/** Of each room at each gateway. What the others get is only counted: the load would cost more than the server. */
const READERS = 1;
const PING = 0x32;

interface Person {
  socket: RawWebSocket;
  /** Everything of a move but the time. */
  head: string;
  tail: string;
}

class Load {
  readonly #spec: PresenceSpec;
  readonly #people: Person[] = [];
  readonly #latency = new Histogram();
  readonly #elsewhere = new Histogram();
  readonly #troubles: Record<string, number> = {};
  #readers = 0;
  #isMeasuring = false;
  #isOn = true;
  #moves = 0;
  #messages = 0;

  constructor(spec: PresenceSpec) {
    this.#spec = spec;
  }

  async connect(): Promise<void> {
    const { rooms, peopleInRoom } = this.#spec;
    const places = Array.from({ length: peopleInRoom }, (_, at) =>
      rooms.map((room) => ({ room, at })),
    ).flat();
    for (let from = 0; from < places.length; from += CONNECT_AT_ONCE)
      await Promise.all(places.slice(from, from + CONNECT_AT_ONCE).map((place) => this.#open(place)));
  }

  async run(): Promise<PresenceResult> {
    const { warmUpMs, measureMs } = this.#spec;
    const moving = this.#move();
    await sleep(warmUpMs);
    report('measuring');
    const startedAt = performance.now();
    this.#isMeasuring = true;
    await sleep(measureMs);
    this.#isMeasuring = false;
    report('measured');
    const measuredMs = performance.now() - startedAt;
    this.#isOn = false;
    await moving;
    for (const { socket } of this.#people) socket.close();
    return {
      moves: this.#moves,
      seen: this.#latency.total + this.#elsewhere.total,
      readers: this.#readers,
      messages: this.#messages,
      measuredMs,
      latency: this.#latency.counts,
      latencyElsewhere: this.#elsewhere.counts,
      troubles: this.#troubles,
    };
  }

  async #open({ room, at }: { room: number; at: number }): Promise<void> {
    const { urls } = this.#spec;
    const gateway = at % urls.length;
    const roomId = `presence-${room}`;
    const url = `${urls[gateway]!.replace(/^http/, 'ws')}/socket.io/?EIO=4&transport=websocket`;
    const socket = await RawWebSocket.open(url);
    const senderId = `bench${String(room * 1000 + at).padStart(27, '0')}`;
    const join = `420${JSON.stringify(['join', { roomId, docId: 'd', senderId }])}`;
    const onClose = () => this.#trouble('closed');
    await new Promise<void>((resolve) => {
      const onText = (text: string) => {
        if (text === '2') socket.sendText('3');
        else if (text.startsWith('0')) socket.sendText('40{}');
        else if (text.startsWith('40')) socket.sendText(join);
        else if (text.includes('"presence:sync"')) resolve();
        else if (text.includes('"protocol-nack"')) this.#trouble('nack');
      };
      socket.listen({ onText, onBinary: () => undefined, onClose });
    });
    const isReader = Math.floor(at / urls.length) < READERS;
    if (isReader) this.#readers++;
    const onTextBytes = (bytes: Buffer) => {
      if (bytes.byteLength === 1 && bytes[0] === PING) return socket.sendText('3');
      if (!this.#isMeasuring) return;
      this.#messages++;
      if (isReader) this.#saw(bytes.toString('latin1'), at);
    };
    socket.listen({ onTextBytes, onBinary: () => undefined, onClose });
    const head = `42["presence:update",{"roomId":"${roomId}","cursor":{"x":`;
    this.#people.push({ socket, head, tail: `,"y":${at}}}]` });
  }

  #saw(text: string, self: number): void {
    const now = nowUs();
    const gateways = this.#spec.urls.length;
    for (const [, x, y] of text.matchAll(USER)) {
      const mover = Number(y);
      if (mover === self) continue;
      const latency = mover % gateways === self % gateways ? this.#latency : this.#elsewhere;
      latency.add(now - Number(x));
    }
  }

  /** By turns, so that each move has its own moment. */
  async #move(): Promise<void> {
    const perMs = (this.#people.length * this.#spec.movesPerSecond) / 1000;
    const startedAt = performance.now();
    for (let turn = 0; this.#isOn; await sleep(TICK_MS)) {
      const due = (performance.now() - startedAt) * perMs;
      for (; turn < due; turn++) {
        const { socket, head, tail } = this.#people[(turn * 7919) % this.#people.length]!;
        socket.sendText(head + String(nowUs()) + tail);
        if (this.#isMeasuring) this.#moves++;
      }
    }
  }

  #trouble(what: string): void {
    this.#troubles[what] = (this.#troubles[what] ?? 0) + 1;
  }
}

function report(what: PresenceReport, done: () => void = () => undefined): void {
  process.send?.(what, done);
}

function fail(error: unknown): void {
  console.error(error);
  process.exit(1);
}

process.once('message', (spec: PresenceSpec) => {
  const load = new Load(spec);
  load.connect().then(() => {
    process.once('message', () => {
      load.run().then((result) => report(result, () => process.exit(0)), fail);
    });
    report('connected');
  }, fail);
});
process.once('disconnect', () => process.exit(0));
