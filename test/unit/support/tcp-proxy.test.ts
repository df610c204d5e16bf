import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { freePorts } from '../../../scripts/dev/ports.ts';
import { TcpProxy } from '../../support/tcp-proxy.ts';
import { waitFor } from '../../support/wait.ts';

/** A server that answers everything twice. */
async function openEcho() {
  const sockets: Socket[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket);
    socket.on('data', (bytes) => socket.write(Buffer.concat([bytes, bytes])));
    socket.on('error', () => undefined); // cut on purpose
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, sockets, port: (server.address() as AddressInfo).port };
}

function open(port: number) {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  const seen = { text: '', hasEnded: false, isClosed: false };
  socket.on('data', (bytes: Buffer) => (seen.text += bytes.toString()));
  socket.on('end', () => (seen.hasEnded = true));
  socket.on('close', () => (seen.isClosed = true));
  socket.on('error', () => undefined); // cut on purpose
  return { socket, seen };
}

describe('the proxy of the fault suite', () => {
  let echo: Awaited<ReturnType<typeof openEcho>>;
  let proxy: TcpProxy;
  let port: number;
  let client: ReturnType<typeof open>;
  beforeEach(async () => {
    echo = await openEcho();
    [port] = (await freePorts(1)) as [number];
    proxy = await TcpProxy.open(port, echo.port);
    client = open(port);
    client.socket.write('a');
    await waitFor(() => client.seen.text === 'aa');
  });
  afterEach(async () => {
    client.socket.destroy();
    await proxy.close();
    echo.sockets.forEach((socket) => socket.destroy());
    echo.server.close();
  });

  it('cuts both sides, and takes new connections', async () => {
    proxy.cut();
    await waitFor(() => client.seen.isClosed && echo.sockets[0]!.destroyed);
    client = open(port);
    client.socket.write('b');
    await waitFor(() => client.seen.text === 'bb');
  });

  it('delays both directions, in order', async () => {
    proxy.delay(60);
    const since = performance.now();
    client.socket.write('b');
    client.socket.write('c');
    await waitFor(() => client.seen.text.length === 6);
    // The server may have got both in one piece.
    expect(['aabbcc', 'aabcbc']).toContain(client.seen.text);
    expect(performance.now() - since).toBeGreaterThanOrEqual(115);
  });

  it('half closes one direction only', async () => {
    proxy.halfClose('client');
    await waitFor(() => client.seen.hasEnded);
    client.socket.write('b');
    await waitFor(() => echo.sockets[0]!.bytesRead === 2);
    expect(echo.sockets[0]!.destroyed).toBe(false);
  });

  it('swallows everything while it is silent, and ends what has lost bytes when it is healed', async () => {
    proxy.silence();
    client.socket.write('b');
    const other = open(port);
    await waitFor(() => proxy.connections === 2);
    other.socket.write('c');
    expect(client.seen).toMatchObject({ text: 'aa', isClosed: false });
    proxy.heal();
    await waitFor(() => client.seen.isClosed && other.seen.isClosed);
    expect(client.seen.text + other.seen.text).toBe('aa');
    expect(echo.sockets[0]!.bytesRead).toBe(1);
  });
});
