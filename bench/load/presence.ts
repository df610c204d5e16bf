import { setTimeout as sleep } from 'node:timers/promises';
import { Histogram } from './histogram.ts';
import { RawWebSocket } from './raw-websocket.ts';
import { nowUs } from './stamped-updates.ts';

/** A load process: people in rooms, each moving a cursor; the place of the cursor is the time at which it was sent. */
export interface PresenceSpec {
  url: string;
  rooms: number;
  peopleInRoom: number;
  movesPerSecond: number;
  warmUpMs: number;
  measureMs: number;
}

export interface PresenceResult {
  moves: number;
  /** Cursors of others that were seen, and the messages that brought them. */
  seen: number;
  messages: number;
  measuredMs: number;
  latency: number[];
  troubles: Record<string, number>;
}

const CONNECT_AT_ONCE = 25;
const TICK_MS = 2;
const USER = /"userId":"(\w+)","cursor":\{"x":(\d+)/g;

class Load {
  readonly #spec: PresenceSpec;
  readonly #sockets: { socket: RawWebSocket; roomId: string; y: number }[] = [];
  readonly #latency = new Histogram();
  readonly #troubles: Record<string, number> = {};
  #isMeasuring = false;
  #isOn = true;
  #moves = 0;
  #messages = 0;

  constructor(spec: PresenceSpec) {
    this.#spec = spec;
  }

  async run(): Promise<PresenceResult> {
    const { rooms, peopleInRoom, warmUpMs, measureMs } = this.#spec;
    const indexes = Array.from({ length: rooms * peopleInRoom }, (_, index) => index);
    for (let at = 0; at < indexes.length; at += CONNECT_AT_ONCE)
      await Promise.all(indexes.slice(at, at + CONNECT_AT_ONCE).map((index) => this.#open(index)));
    const moving = this.#move();
    await sleep(warmUpMs);
    process.send?.('measuring');
    const startedAt = performance.now();
    this.#isMeasuring = true;
    await sleep(measureMs);
    this.#isMeasuring = false;
    process.send?.('measured');
    const measuredMs = performance.now() - startedAt;
    this.#isOn = false;
    await moving;
    for (const { socket } of this.#sockets) socket.close();
    const { total: seen, counts: latency } = this.#latency;
    return {
      moves: this.#moves,
      seen,
      messages: this.#messages,
      measuredMs,
      latency,
      troubles: this.#troubles,
    };
  }

  async #open(index: number): Promise<void> {
    const { url, rooms } = this.#spec;
    const roomId = `presence-${index % rooms}`;
    const socket = await RawWebSocket.open(
      `${url.replace(/^http/, 'ws')}/socket.io/?EIO=4&transport=websocket`,
    );
    const address = { roomId, docId: 'd', senderId: `bench${String(index).padStart(27, '0')}` };
    let self = '';
    await new Promise<void>((resolve) => {
      const onText = (text: string) => {
        if (text === '2') socket.sendText('3');
        else if (text.startsWith('0')) socket.sendText('40{}');
        else if (text.startsWith('40')) socket.sendText(`420${JSON.stringify(['join', address])}`);
        else if (text.includes('"presence:sync"')) {
          if (self !== '') return this.#saw(text, self);
          self = /"self":"(\w+)"/.exec(text)?.[1] ?? '';
          resolve();
        } else if (text.includes('"protocol-nack"')) this.#trouble('nack');
      };
      socket.listen({ onText, onBinary: () => undefined, onClose: () => this.#trouble('closed') });
    });
    this.#sockets.push({ socket, roomId, y: index });
  }

  #saw(text: string, self: string): void {
    if (!this.#isMeasuring) return;
    const now = nowUs();
    this.#messages++;
    for (const [, userId, x] of text.matchAll(USER)) if (userId !== self) this.#latency.add(now - Number(x));
  }

  /** By turns, so that each move has its own moment. */
  async #move(): Promise<void> {
    const perMs = (this.#sockets.length * this.#spec.movesPerSecond) / 1000;
    const startedAt = performance.now();
    for (let turn = 0; this.#isOn; await sleep(TICK_MS)) {
      const due = (performance.now() - startedAt) * perMs;
      for (; turn < due; turn++) {
        const { socket, roomId, y } = this.#sockets[(turn * 7919) % this.#sockets.length]!;
        socket.sendText(`42${JSON.stringify(['presence:update', { roomId, cursor: { x: nowUs(), y } }])}`);
        if (this.#isMeasuring) this.#moves++;
      }
    }
  }

  #trouble(what: string): void {
    this.#troubles[what] = (this.#troubles[what] ?? 0) + 1;
  }
}

process.once('message', (spec: PresenceSpec) => {
  new Load(spec).run().then(
    (result) => process.send?.(result, () => process.exit(0)),
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
});
process.once('disconnect', () => process.exit(0));
