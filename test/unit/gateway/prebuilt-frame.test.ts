import { createServer } from 'node:http';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Server, type Socket } from 'socket.io';
import { io } from 'socket.io-client';
import { writePrebuilt } from '../../../lib/gateway/prebuilt-frame.ts';
import { shareFrame, shareParts } from '../../../lib/gateway/shared-frame.ts';
import { listen } from '../../../lib/http/listen.ts';
import { waitFor } from '../../support/wait.ts';
import { cleanUp, onCleanUp } from './harness.ts';

afterEach(cleanUp);

async function connect(transports: string[]) {
  const httpServer = createServer();
  const server = new Server(httpServer, { perMessageDeflate: false });
  onCleanUp(async () => {
    await server.close();
  });
  const sockets: Socket[] = [];
  server.on('connection', (socket) => void sockets.push(socket));
  const port = await listen(httpServer, '127.0.0.1', 0);
  const client = io(`http://127.0.0.1:${port}`, { transports, forceNew: true });
  onCleanUp(async () => void client.disconnect());
  const received: string[] = [];
  client.on('protocol-message', (frame: Uint8Array) =>
    received.push(`${frame[0]}:${frame.byteLength}:${new Set(frame).size === 1}`),
  );
  client.on('protocol-nack', (nack: { version: number }) => received.push(`nack ${nack.version}`));
  const socket = await waitFor(() => sockets[0]);
  return { client, socket, received };
}

/** Sends as the transport does; says which way it went. */
function send(socket: Socket, byte: number, bytes: number): boolean {
  const frame = shareFrame(new Uint8Array(bytes).fill(byte));
  if (writePrebuilt(socket, frame)) return true;
  socket.emit('protocol-message', Buffer.from(frame.bytes));
  return false;
}

const SIZES = [1, 125, 126, 65_535, 65_536, 200_000];

describe('prebuilt WebSocket frames', () => {
  it('arrive as the event that Socket.IO itself would have sent, of every length form', async () => {
    const { socket, received } = await connect(['websocket']);
    await waitFor(() => socket.connected && send(socket, 0, 1));
    for (const [at, bytes] of SIZES.entries()) send(socket, at, bytes);
    await waitFor(() => received.length >= SIZES.length + 1);
    expect(received.slice(-SIZES.length)).toEqual(SIZES.map((bytes, at) => `${at}:${bytes}:true`));
  });

  it('in several parts arrive whole, between others of the same tick', async () => {
    const { client, socket, received } = await connect(['websocket']);
    const whole: Uint8Array[] = [];
    client.on('protocol-message', (frame: Uint8Array) => void whole.push(frame));
    await waitFor(() => socket.connected && send(socket, 0, 1));
    const large = Uint8Array.from({ length: 100_000 }, (_, index) => index % 251);
    const parts = [Uint8Array.of(1, 2), large.subarray(7), Uint8Array.of(3)];
    send(socket, 1, 10);
    expect(writePrebuilt(socket, shareParts(parts))).toBe(true);
    send(socket, 2, 10);
    await waitFor(() => received.length >= 4 && whole.length === received.length);
    const expected = Buffer.concat(parts);
    expect(whole.slice(-3).map(({ byteLength }) => byteLength)).toEqual([10, expected.byteLength, 10]);
    expect(Buffer.compare(whole.at(-2)!, expected)).toBe(0);
    expect(Buffer.compare(shareParts(parts).bytes, expected)).toBe(0);
  });

  it('keep their order among ordinary events and acknowledgements of the same tick and later ones', async () => {
    const { socket, received } = await connect(['websocket']);
    await waitFor(() => socket.connected);
    const expected: string[] = [];
    const ways = new Set<boolean>();
    for (let round = 0; round < 200; round++) {
      for (let i = 0; i < 5; i++) {
        const byte = (round + i) % 256;
        ways.add(send(socket, byte, 100 + i));
        expected.push(`${byte}:${100 + i}:true`);
        if ((round + i) % 4 === 0) {
          socket.emit('protocol-nack', { version: round });
          expected.push(`nack ${round}`);
        }
      }
      if (round % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await waitFor(() => received.length === expected.length);
    expect(received).toEqual(expected);
    expect(ways).toEqual(new Set([true, false]));
  });

  it('step aside on polling and while a connection is being upgraded', async () => {
    const { client, socket, received } = await connect(['polling', 'websocket']);
    const expected: string[] = [];
    let sent = 0;
    const sendSome = () => {
      for (let i = 0; i < 3; i++) {
        send(socket, sent % 256, 50);
        expected.push(`${sent++ % 256}:50:true`);
      }
    };
    await waitFor(() => {
      sendSome();
      return client.io.engine.transport.name === 'websocket' && socket.conn.transport.name === 'websocket';
    });
    await waitFor(() => (sendSome(), writePrebuilt(socket, shareFrame(Uint8Array.of(255)))));
    expected.push('255:1:true');
    await waitFor(() => received.length === expected.length);
    expect(received).toEqual(expected);
  });
});
