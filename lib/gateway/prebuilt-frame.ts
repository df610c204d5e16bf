import type { Socket } from 'socket.io';
import { sizeOfParts } from '../protocol/chunks.ts';
import { SocketEvent } from '../protocol/events.ts';
import type { SharedEvent, SharedFrame } from './port.ts';

/*
 * One Socket.IO binary event as it stands on a WebSocket, made once and written to every connection as it is
 * (Socket.IO itself builds binary frames anew for each one; measurement in bench/RESULTS.md):
 *
 *   text frame    0x81 length "451-" ["protocol-message",{"_placeholder":true,"num":0}]
 *                 (4 = engine.io message, 5 = Socket.IO binary event, 1 attachment)
 *   binary frame  0x82 length bytes
 *
 * An event with JSON is one text frame, "42" and the JSON of [name, content].
 *
 * A frame in several parts (a chunk of a large state) is written as it lies there.
 */

const HEADER_TEXT = Buffer.from(`451-["${SocketEvent.Message}",{"_placeholder":true,"num":0}]`);
const FIN_TEXT = 0x81;
const FIN_BINARY = 0x82;
const EVENT_HEAD = Buffer.concat([frameHead(FIN_TEXT, HEADER_TEXT.byteLength), HEADER_TEXT]);
const WIRE_FORM = 'websocket';

/** The parts of engine.io's and ws's connection that the fast path needs; none of them is in their types. */
interface RawTransport {
  name: string;
  writable: boolean;
  perMessageDeflate?: unknown;
  socket?: {
    readyState: number;
    bufferedAmount: number;
    _socket?: { write(data: Uint8Array): boolean; cork(): void; uncork(): void; writable: boolean };
    _sender?: { _bufferedBytes?: number; _queue?: unknown[] };
  };
}

interface RawConnection {
  readyState: string;
  upgrading: boolean;
  upgraded: boolean;
  writeBuffer: { data?: string | Uint8Array }[];
  transport: RawTransport;
}

const WEBSOCKET_OPEN = 1;

/**
 * Writes the frame past Socket.IO; false when that could break the order or the protocol: another transport,
 * an upgrade under way, something of the same connection still being sent. The caller then emits as usual.
 */
export function writePrebuilt(socket: Socket, frame: SharedFrame): boolean {
  const network = networkOf(socket);
  if (!network) return false;
  if (frame.parts.length === 1) network.write(wireForm(frame));
  else writeParts(network, frame.parts);
  return true;
}

/** The same for an event with JSON. */
export function writePrebuiltEvent(socket: Socket, event: SharedEvent): boolean {
  const network = networkOf(socket);
  network?.write(eventWireForm(event));
  return network !== undefined;
}

type Network = NonNullable<NonNullable<RawTransport['socket']>['_socket']>;

/** Undefined while something has to go another way, or comes before. */
function networkOf(socket: Socket): Network | undefined {
  const connection = socket.conn as unknown as RawConnection;
  const { transport } = connection;
  if (transport.name !== 'websocket' || !transport.writable || connection.upgrading) return undefined;
  if (connection.readyState !== 'open' || connection.writeBuffer.length > 0 || !socket.connected)
    return undefined;
  const ws = transport.socket;
  if (ws?.readyState !== WEBSOCKET_OPEN || transport.perMessageDeflate) return undefined;
  if (!ws._socket?.writable || (ws._sender?._queue?.length ?? 0) > 0) return undefined;
  return ws._socket;
}

/** In one system call and without a copy: what the network does not take at once waits as a view. */
function writeParts(socket: Network, parts: readonly Uint8Array[]): void {
  socket.cork();
  socket.write(Buffer.concat([EVENT_HEAD, frameHead(FIN_BINARY, sizeOfParts(parts))]));
  for (const part of parts) socket.write(part);
  socket.uncork();
}

/** Bytes that the network has not taken yet. */
export function queuedBytesOf(socket: Socket): number {
  const { writeBuffer, transport } = socket.conn as unknown as RawConnection;
  let bytes = transport.socket?.bufferedAmount ?? 0;
  for (const { data } of writeBuffer) if (data !== undefined) bytes += data.length;
  return bytes;
}

function wireForm(frame: SharedFrame): Uint8Array {
  const known = frame.wireForms.get(WIRE_FORM);
  if (known) return known as Uint8Array;
  const { bytes } = frame;
  const built = Buffer.concat([EVENT_HEAD, frameHead(FIN_BINARY, bytes.byteLength), bytes]);
  frame.wireForms.set(WIRE_FORM, built);
  return built;
}

function eventWireForm(event: SharedEvent): Uint8Array {
  const known = event.wireForms.get(WIRE_FORM);
  if (known) return known as Uint8Array;
  const text = Buffer.from(`42${JSON.stringify([event.name, event.content])}`);
  const built = Buffer.concat([frameHead(FIN_TEXT, text.byteLength), text]);
  event.wireForms.set(WIRE_FORM, built);
  return built;
}

/** RFC 6455, 5.2: server frames are not masked. */
function frameHead(opcode: number, length: number): Buffer {
  if (length < 126) return Buffer.from([opcode, length]);
  if (length < 65_536) {
    const head = Buffer.from([opcode, 126, 0, 0]);
    head.writeUInt16BE(length, 2);
    return head;
  }
  const head = Buffer.alloc(10);
  head[0] = opcode;
  head[1] = 127;
  head.writeBigUInt64BE(BigInt(length), 2);
  return head;
}
