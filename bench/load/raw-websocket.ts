import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';

export interface Handlers {
  onBinary: (bytes: Buffer) => void;
  onText?: (text: string) => void;
  /** Instead of it: for those who look at few of them. */
  onTextBytes?: (bytes: Buffer) => void;
  onClose?: () => void;
}

const Opcode = { Text: 1, Binary: 2, Close: 8, Ping: 9, Pong: 10 } as const;

/*
 * RFC 6455, as much as a load client needs: no extensions, no fragments (none of the measured servers sends
 * them). The mask that clients must use is zero, so that nothing has to be masked and the client stays thin.
 */
export class RawWebSocket {
  readonly #socket: Socket;
  #pending: Buffer = Buffer.alloc(0);
  #isOpen = false;
  #onOpen: () => void = () => undefined;
  #onClose: () => void = () => undefined;
  #handlers: Handlers | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (data) => this.#take(data));
    socket.on('close', () => this.#onClose());
  }

  /** Rejects when the server does not upgrade. */
  static open(url: string): Promise<RawWebSocket> {
    const { hostname, port, pathname, search } = new URL(url);
    return new Promise((resolve, reject) => {
      const socket = connect(Number(port), hostname);
      const webSocket = new RawWebSocket(socket);
      socket.once('error', reject);
      webSocket.#onClose = () => reject(new Error(`${url} closed the connection before the upgrade.`));
      webSocket.#onOpen = () => {
        webSocket.#onClose = () => webSocket.#handlers?.onClose?.();
        resolve(webSocket);
      };
      socket.write(
        `GET ${pathname}${search} HTTP/1.1\r\nHost: ${hostname}:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
          `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n\r\n`,
      );
    });
  }

  /** Takes messages from now on, those that came with the upgrade included. May be called again. */
  listen(handlers: Handlers): void {
    this.#handlers = handlers;
    this.#read();
  }

  sendText(text: string): void {
    this.#send(Opcode.Text, Buffer.from(text));
  }

  sendBinary(bytes: Uint8Array): void {
    this.#send(Opcode.Binary, bytes);
  }

  /** Two messages that belong together, in one write. */
  sendTextThenBinary(text: string, bytes: Uint8Array): void {
    this.#socket.cork();
    this.sendText(text);
    this.sendBinary(bytes);
    this.#socket.uncork();
  }

  /** Bytes that the network has not taken yet. */
  get waitingBytes(): number {
    return this.#socket.writableLength;
  }

  /** Leaves everything that comes in the network, for good. */
  stopReading(): void {
    this.#socket.pause();
  }

  close(): void {
    this.#onClose = () => undefined;
    this.#socket.destroy();
  }

  #send(opcode: number, payload: Uint8Array): void {
    const { byteLength } = payload;
    const short = byteLength < 126;
    const frame = Buffer.alloc((short ? 6 : byteLength < 65_536 ? 8 : 14) + byteLength);
    frame[0] = 0x80 | opcode;
    if (short) frame[1] = 0x80 | byteLength;
    else if (byteLength < 65_536) {
      frame[1] = 0x80 | 126;
      frame.writeUInt16BE(byteLength, 2);
    } else {
      frame[1] = 0x80 | 127;
      frame.writeBigUInt64BE(BigInt(byteLength), 2);
    }
    frame.set(payload, frame.byteLength - byteLength);
    this.#socket.write(frame);
  }

  #take(data: Buffer): void {
    this.#pending = this.#pending.byteLength === 0 ? data : Buffer.concat([this.#pending, data]);
    this.#read();
  }

  #read(): void {
    if (!this.#isOpen && !this.#readUpgrade()) return;
    while (this.#handlers && this.#readFrame(this.#handlers));
  }

  #readUpgrade(): boolean {
    const end = this.#pending.indexOf('\r\n\r\n');
    if (end < 0) return false;
    const head = this.#pending.toString('latin1', 0, end);
    this.#pending = this.#pending.subarray(end + 4);
    if (!head.startsWith('HTTP/1.1 101')) {
      this.#socket.destroy();
      return false;
    }
    this.#isOpen = true;
    this.#onOpen();
    return true;
  }

  #readFrame(handlers: Handlers): boolean {
    const bytes = this.#pending;
    if (bytes.byteLength < 2) return false;
    let length = bytes[1]! & 0x7f;
    let start = 2;
    if (length === 126) {
      if (bytes.byteLength < 4) return false;
      length = bytes.readUInt16BE(2);
      start = 4;
    } else if (length === 127) {
      if (bytes.byteLength < 10) return false;
      length = Number(bytes.readBigUInt64BE(2));
      start = 10;
    }
    if (bytes.byteLength < start + length) return false;
    const payload = bytes.subarray(start, start + length);
    this.#pending = bytes.subarray(start + length);
    const opcode = bytes[0]! & 0x0f;
    if (opcode === Opcode.Binary) handlers.onBinary(payload);
    else if (opcode === Opcode.Text && handlers.onTextBytes) handlers.onTextBytes(payload);
    else if (opcode === Opcode.Text) handlers.onText?.(payload.toString());
    else if (opcode === Opcode.Ping) this.#send(Opcode.Pong, payload);
    else if (opcode === Opcode.Close) this.#socket.end();
    return true;
  }
}
