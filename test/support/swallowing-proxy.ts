import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export interface SwallowingProxy {
  readonly port: number;
  /** From now on bytes go nowhere, both ways, on old and new connections; nothing is closed: half-open. */
  swallow(): void;
  /** New connections work again; those of before stay deaf. */
  heal(): void;
  close(): Promise<void>;
}

/** A TCP proxy on a free port before a server on this machine. */
export async function startSwallowingProxy(targetPort: number): Promise<SwallowingProxy> {
  let isDeaf = false;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(targetPort, '127.0.0.1');
    const pair = { isDeaf };
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from);
      from.on('data', (bytes) => {
        pair.isDeaf ||= isDeaf;
        if (!pair.isDeaf) to.write(bytes);
      });
      from.on('error', () => undefined); // its close follows
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    swallow: () => {
      isDeaf = true;
    },
    heal: () => {
      isDeaf = false;
    },
    async close() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    },
  };
}
