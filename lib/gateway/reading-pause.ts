import type { Socket } from 'socket.io';
import type { Clock, TimerHandle } from '../clock.ts';

/** The part of the `ws` library's WebSocket that is needed here; a polling transport has no such thing. */
interface PausableSocket {
  pause?: () => void;
  resume?: () => void;
}

/**
 * Leaves what a client sends in the network for a while: its own connection fills up and it has to wait, at no cost
 * for the server. Pings are not answered meanwhile, so pauses have to be short.
 */
export class ReadingPause {
  readonly #socket: Socket;
  readonly #clock: Clock;
  #timer: TimerHandle | undefined;
  #untilMs = 0;

  constructor(socket: Socket, clock: Clock) {
    this.#socket = socket;
    this.#clock = clock;
  }

  /** A longer pause that is under way stays. */
  pause(forMs: number): void {
    const webSocket = this.#webSocket();
    const untilMs = this.#clock.now() + forMs;
    if (!webSocket?.pause || untilMs <= this.#untilMs) return;
    this.#untilMs = untilMs;
    if (!this.#timer) webSocket.pause();
    this.#timer?.cancel();
    this.#timer = this.#clock.setTimeout(() => {
      this.#timer = undefined;
      this.#untilMs = 0;
      webSocket.resume?.();
    }, forMs);
  }

  #webSocket(): PausableSocket | undefined {
    return (this.#socket.conn.transport as unknown as { socket?: PausableSocket }).socket;
  }
}
