import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { openSocket } from '../../../../lib/stream/kafka/kafkajs-socket.ts';

const server = createServer((socket) => socket.destroy());
beforeEach(async () => {
  await once(server.listen(0, '127.0.0.1'), 'listening');
});
afterEach(async () => {
  await new Promise((done) => server.close(done));
});

describe('openSocket', () => {
  it('a dead connection that is let go of again and again gathers no listeners', async () => {
    const { port } = server.address() as AddressInfo;
    let connects = 0;
    const socket = openSocket({ host: '127.0.0.1', port, onConnect: () => void connects++ });
    socket.on('error', () => undefined); // the other side may reset it
    socket.resume();
    await once(socket, 'close');
    const before = socket.listenerCount('connect');
    for (let time = 0; time < 20; time++) expect(socket.unref()).toBe(socket);
    expect(socket.listenerCount('connect')).toBe(before);
    expect(connects).toBe(1);
  });
});
