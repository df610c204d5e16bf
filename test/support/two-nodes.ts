import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ServiceBroker, type BrokerOptions, type ServiceSchema } from 'moleculer';
import { createBrokerOptions } from '../../lib/broker/options.ts';
import { attachRuntime, type Runtime } from '../../lib/broker/runtime.ts';
import { systemClock } from '../../lib/clock.ts';
import { createHttpTransfer, type HttpTransfer } from '../../lib/transfer/http.ts';

export interface TwoNodes {
  /** Has no services: it only calls. */
  caller: ServiceBroker;
  callerBlobs: HttpTransfer;
  provider: ServiceBroker;
  stop(): Promise<void>;
}

async function openTransfer(): Promise<{ blobs: HttpTransfer; server: Server }> {
  let url = '';
  const blobs = createHttpTransfer({
    clock: systemClock,
    randomId: () => randomBytes(16).toString('hex'),
    ttlMs: 30_000,
    maxBytes: 512 * 1024 * 1024,
    baseUrl: () => url,
  });
  const server = createServer((incoming, response) => {
    if (!blobs.handle(incoming, response)) response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { blobs, server };
}

/**
 * Services on one node, called from another over a transporter with the serializer of production: what is
 * binary must survive the way. Large results travel over HTTP between them, as between processes.
 */
export async function startTwoNodes(
  runtime: Runtime,
  services: readonly { name: string }[],
): Promise<TwoNodes> {
  const [own, other] = await Promise.all([openTransfer(), openTransfer()]);
  const namespace = `two-nodes-${randomBytes(4).toString('hex')}`;
  const node = (nodeID: string): BrokerOptions => ({
    ...createBrokerOptions(runtime.config, nodeID),
    namespace,
    transporter: 'Fake',
    logger: false,
  });
  const provider = new ServiceBroker({
    ...node('provider'),
    created: (made) => attachRuntime(made, { ...runtime, blobs: own.blobs }),
  });
  const caller = new ServiceBroker(node('caller'));
  for (const schema of services) provider.createService(schema as unknown as ServiceSchema);
  await Promise.all([provider.start(), caller.start()]);
  await caller.waitForServices(
    services.map(({ name }) => name),
    30_000,
  );
  return {
    caller,
    callerBlobs: other.blobs,
    provider,
    async stop() {
      await caller.stop();
      await provider.stop();
      for (const { blobs, server } of [own, other]) {
        await blobs.close();
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      }
    },
  };
}
