import { randomBytes } from 'node:crypto';
import { ServiceProcess, type ServiceProcessOptions } from './service-process.ts';

export interface ClusterOptions {
  kafkaBrokers: readonly string[];
  databaseUrl: string;
  /** Port of each gateway; 0 takes a free one. */
  gatewayPorts: readonly number[];
  /** How many processes of each other service; default one. */
  replicas?: Partial<Record<'persister' | 'fastsync' | 'codec' | 'accounts', number>>;
  /** Added to the environment of every process. */
  env?: Record<string, string>;
  onLine?: ServiceProcessOptions['onLine'];
  onDeath?: ServiceProcessOptions['onDeath'];
}

export interface Cluster {
  /** URL of each gateway, in the order of `gatewayPorts`. */
  urls: string[];
  processes: Map<string, ServiceProcess>;
  /** Starts a process again and waits until it is ready. */
  restart(name: string): Promise<void>;
  stop(): Promise<void>;
}

const STORING_SERVICES = ['codec', 'persister', 'fastsync'] as const;
/** Small ones that share a process, which runs when `AUTH=accounts` is in its environment. */
export const ACCOUNT_SERVICES = ['auth', 'workspaces', 'boards', 'invites', 'permissions'] as const;
/** Whom one can ask who is there stands beside whom it asks: it keeps nothing, and is wanted whatever `AUTH` says. */
export const GATEWAY_SERVICES = ['gateway', 'presence'] as const;

/** Every service as its own process over Kafka and PostgreSQL; resolves when all are ready. */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const processes = new Map<string, ServiceProcess>();
  const add = (name: string, services: readonly string[], env: Record<string, string> = {}) => {
    const common = { ...baseEnvironment(options), YKAFKA_NODE_ID: name, ...env };
    const { onLine, onDeath } = options;
    const started = new ServiceProcess({
      name,
      services,
      env: common,
      ...(onLine && { onLine }),
      ...(onDeath && { onDeath }),
    });
    processes.set(name, started);
    started.start();
  };
  for (const service of STORING_SERVICES) {
    const count = options.replicas?.[service] ?? 1;
    for (let n = 1; n <= count; n++) add(`${service}-${n}`, [service]);
  }
  const secret = randomBytes(32).toString('hex');
  const accounts = options.env?.AUTH === 'accounts' ? (options.replicas?.accounts ?? 1) : 0;
  for (let n = 1; n <= accounts; n++)
    add(`accounts-${n}`, ACCOUNT_SERVICES, { YKAFKA_SECRET: secret, ...options.env });
  options.gatewayPorts.forEach((port, index) =>
    add(`gateway-${index + 1}`, GATEWAY_SERVICES, { PORT: String(port) }),
  );

  const stop = async () => {
    // Gateways first, so that what they flush is still taken by the others.
    const order = [...processes.values()].sort(
      (a, b) => Number(b.name.startsWith('gateway')) - Number(a.name.startsWith('gateway')),
    );
    await Promise.all(order.map((process) => process.end('SIGTERM')));
  };
  try {
    await Promise.all([...processes.values()].map((process) => process.waitUntilReady()));
    return {
      urls: await Promise.all(
        options.gatewayPorts.map((_, index) => gatewayUrl(processes.get(`gateway-${index + 1}`)!)),
      ),
      processes,
      async restart(name) {
        const process = processes.get(name)!;
        process.start();
        await process.waitUntilReady();
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The gateway tells its real port in its part of the health report. */
async function gatewayUrl(gateway: ServiceProcess): Promise<string> {
  const report = (await gateway.waitUntilReady()) as { parts: { gateway: { url: string } } };
  return report.parts.gateway.url;
}

function baseEnvironment(options: ClusterOptions): Record<string, string> {
  const { PATH = '', HOME = '', TMPDIR } = process.env;
  return {
    PATH,
    HOME,
    ...(TMPDIR ? { TMPDIR } : {}),
    // As in k8s/: what is freed goes back to the kernel also after large states have been there (docs/decisions.md).
    MALLOC_MMAP_THRESHOLD_: '131072',
    YKAFKA_MODE: 'cluster',
    KAFKA_BROKERS: options.kafkaBrokers.join(','),
    DATABASE_URL: options.databaseUrl,
    ...options.env,
  };
}
