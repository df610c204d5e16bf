import { ServiceBroker } from 'moleculer';
import { createRuntime, type OpenRuntime, type RuntimeOptions } from '../../lib/broker/open-runtime.ts';
import { createBrokerOptions } from '../../lib/broker/options.ts';
import { call } from '../../lib/broker/call.ts';
import { attachRuntime } from '../../lib/broker/runtime.ts';
import type { Config } from '../../lib/config.ts';
import { assertListenable, urlOf } from '../../lib/http/listen.ts';
import type { Logger } from '../../lib/log.ts';
import auth from '../../services/auth.service.ts';
import boards from '../../services/boards.service.ts';
import codec from '../../services/codec.service.ts';
import fastsync from '../../services/fastsync.service.ts';
import gateway from '../../services/gateway.service.ts';
import invites from '../../services/invites.service.ts';
import permissions from '../../services/permissions.service.ts';
import persister from '../../services/persister.service.ts';
import presence from '../../services/presence.service.ts';
import workspaces from '../../services/workspaces.service.ts';

export interface EmbeddedServer {
  /** Where the page, the HTTP API and Socket.IO are. */
  url: string;
  /** Where other systems of the operator ask; undefined without YKAFKA_INTERNAL_SECRET. */
  internalUrl: string | undefined;
  broker: ServiceBroker;
  runtime: OpenRuntime;
  /** Stops everything; state stays in the data folder. Idempotent. */
  stop(): Promise<void>;
}

export interface EmbeddedOptions {
  config: Config;
  logger: Logger;
  /** For tests, as what follows: see RuntimeOptions. */
  clock?: RuntimeOptions['clock'];
  wrapStream?: RuntimeOptions['wrapStream'];
  openLogFile?: RuntimeOptions['openLogFile'];
}

/** All services in this process, on the embedded log and database of `config.dataDir`. */
export async function startEmbedded({ config, logger, ...given }: EmbeddedOptions): Promise<EmbeddedServer> {
  // Before seconds of opening log and database: who has the port already should hear of it at once.
  await assertListenable(config.host, config.port);
  const nodeId = config.nodeId || 'embedded';
  const runtime = createRuntime({ config, logger, nodeId, ...given });
  const broker = new ServiceBroker({
    ...createBrokerOptions(config, nodeId, { metrics: runtime.metrics }),
    created: (made) => attachRuntime(made, runtime),
  });
  let stopped: Promise<void> | undefined;
  const stop = () => {
    stopped ??= broker.stop().then(() => runtime.close());
    return stopped;
  };
  try {
    const internalPort = await runtime.listen();
    // Opened first: a locked data folder or a bad schema must be the error that is seen.
    await runtime.stream();
    await runtime.store();
    const accounts = config.auth === 'accounts' ? [auth, workspaces, boards, invites, permissions] : [];
    for (const schema of [codec, persister, fastsync, ...accounts, presence, gateway])
      broker.createService(schema);
    await broker.start();
    const { url } = await call(broker, 'gateway.addresses.get', {});
    const internalUrl = internalPort === undefined ? undefined : urlOf(config.internalHost, internalPort);
    return { url, internalUrl, broker, runtime, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
