import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../../../lib/clock.ts';
import { silentLogger } from '../../../../lib/log.ts';
import { BrokerConnections } from '../../../../lib/stream/kafka/broker-connections.ts';
import { waitFor } from '../../../support/wait.ts';

const COUNT = 3;

describe('connections to brokers', () => {
  const servers: Server[] = [];
  const sockets = new Set<Socket>();
  let addresses: string[] = [];
  let connections: BrokerConnections;

  beforeEach(async () => {
    for (let at = 0; at < COUNT; at++) {
      const server = createServer((socket) => void sockets.add(socket)).listen(0, '127.0.0.1');
      await once(server, 'listening');
      servers.push(server);
    }
    addresses = servers.map((server) => `127.0.0.1:${(server.address() as AddressInfo).port}`);
    connections = new BrokerConnections({
      brokers: addresses,
      clientId: 'test',
      clock: systemClock,
      logger: silentLogger,
    });
  });

  afterEach(async () => {
    await connections.close();
    for (const socket of sockets) socket.destroy();
    sockets.clear();
    for (const server of servers.splice(0)) server.close();
  });

  const portOf = ({ port }: { port: number | undefined }) =>
    addresses.findIndex((at) => at.endsWith(`:${port}`));

  it('put a question to the next broker when one does not answer, and to that one first the next time', async () => {
    const asked: number[] = [];
    const ask = () =>
      connections.askAny(async (connection) => {
        asked.push(portOf(connection));
        if (portOf(connection) === 0) throw new Error('no answer');
        return 'answer';
      });
    await expect(ask()).resolves.toBe('answer');
    await expect(ask()).resolves.toBe('answer');
    expect(asked).toEqual([0, 1, 1]);
    expect(connections.addresses).toEqual([addresses[1], addresses[2], addresses[0]]);
  });

  it('stay with a broker that has answered, though with an error', async () => {
    const refusal = Object.assign(new Error('not leader'), { response: {} });
    const asked: number[] = [];
    const broker = { host: '127.0.0.1', port: Number(addresses[0]!.split(':')[1]) };
    const ask = () =>
      connections.ask(broker, async (connection) => {
        asked.push(portOf(connection));
        throw refusal;
      });
    await expect(ask()).rejects.toBe(refusal);
    await expect(ask()).rejects.toBe(refusal);
    expect(connections.addresses).toEqual(addresses);
    await waitFor(() => sockets.size > 0);
    expect(sockets.size).toBe(1);
  });

  it('of the others live on when one is given up', async () => {
    const broker = (at: number) => ({ host: '127.0.0.1', port: Number(addresses[at]!.split(':')[1]) });
    const kept = await connections.ask(broker(1), async (connection) => connection);
    const lost = connections.ask(broker(0), async () => {
      throw new Error('no answer');
    });
    await expect(lost).rejects.toThrow('no answer');
    expect(kept.isConnected()).toBe(true);
    expect(await connections.ask(broker(1), async (connection) => connection)).toBe(kept);
  });

  it('take in brokers that the cluster names, and forget them when it does no longer', () => {
    connections.know([{ host: 'new', port: 1 }]);
    expect(connections.addresses).toEqual([...addresses, 'new:1']);
    connections.know([{ host: 'other', port: 2 }]);
    expect(connections.addresses).toEqual([...addresses, 'other:2']);
  });

  it('reject when they have been closed', async () => {
    await connections.close();
    await expect(connections.askAny(async () => 'answer')).rejects.toMatchObject({ type: 'STREAM_CLOSED' });
  });
});
