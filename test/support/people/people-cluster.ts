import { createRuntime, type OpenRuntime } from '../../../lib/broker/open-runtime.ts';
import { loadConfig, type Config } from '../../../lib/config.ts';
import { silentLogger } from '../../../lib/log.ts';
import { freePorts } from '../../../scripts/dev/ports.ts';
import { findAccounts, startTestCluster, type TestCluster } from '../cluster.ts';
import { KnownSecrets } from '../known-secrets.ts';
import { OpenIdServer } from '../openid-provider.ts';
import { PeopleStage } from './stage.ts';

export interface PeopleClusterOptions {
  /** Default: those of the run. */
  kafkaBrokers?: readonly string[];
  env?: Record<string, string>;
}

/** A cluster of two gateways where people sign in, and everything that its processes have logged. */
export class PeopleCluster {
  readonly cluster: TestCluster;
  readonly stage: PeopleStage;
  readonly lines: string[];
  readonly #provider: OpenIdServer;
  readonly #observer: OpenRuntime;

  private constructor(parts: {
    cluster: TestCluster;
    provider: OpenIdServer;
    observer: OpenRuntime;
    lines: string[];
  }) {
    const { cluster, provider, observer } = parts;
    this.cluster = cluster;
    this.lines = parts.lines;
    this.#provider = provider;
    this.#observer = observer;
    const secrets = new KnownSecrets();
    const { YKAFKA_SECRET, AUTH_PROVIDERS, DATABASE_URL } = this.#environmentOf('accounts-1');
    secrets.add('the secret of the accounts', YKAFKA_SECRET);
    secrets.add('the provider’s secret', loadConfig({ AUTH_PROVIDERS }).authProviders[0]!.clientSecret);
    secrets.add('the password of the database', new URL(DATABASE_URL!).password);
    const [first, second] = cluster.urls as [string, string];
    this.stage = new PeopleStage({ urls: [first, second], provider, secrets, observer });
  }

  static async start({ kafkaBrokers, env }: PeopleClusterOptions = {}): Promise<PeopleCluster> {
    const provider = await OpenIdServer.start();
    const lines: string[] = [];
    const cluster = await startTestCluster({
      ...(kafkaBrokers && { kafkaBrokers }),
      gatewayPorts: await freePorts(2),
      env: { AUTH: 'accounts', AUTH_PROVIDERS: provider.settings, YKAFKA_GUESSES_PER_MINUTE: '0', ...env },
      onLine: (name, line) => lines.push(`[${name}] ${line}`),
    });
    provider.serve(...cluster.urls);
    const { environment } = cluster.processes.get('persister-1')!;
    const config = loadConfig(environment, { mode: 'cluster' });
    const observer = createRuntime({ config, logger: silentLogger, nodeId: 'observer' });
    return new PeopleCluster({ cluster, provider, observer, lines });
  }

  /** Of another process that takes part. */
  get config(): Config {
    return loadConfig(this.#environmentOf('persister-1'), { mode: 'cluster' });
  }

  async kill(name: string): Promise<void> {
    await this.cluster.processes.get(name)!.end('SIGKILL');
  }

  /** Starts the accounts again, whose tokens live for so many seconds from now on. */
  async restartAccounts(tokenSeconds: number): Promise<void> {
    this.#environmentOf('accounts-1').YKAFKA_ACCESS_TOKEN_SECONDS = String(tokenSeconds);
    await this.cluster.restart('accounts-1');
    await findAccounts(this.stage.parts.urls);
  }

  /** Everything that anybody must not read in a log and can. */
  leaks(): string[] {
    const { secrets } = this.stage.parts;
    const patterns = this.lines.filter((line) => /eyJ[\w-]{10}|@example\.test/i.test(line));
    return [...secrets.foundIn(this.lines), ...patterns.map((line) => line.slice(0, 300))];
  }

  async stop(): Promise<void> {
    this.stage.close();
    await this.#observer.close();
    await this.cluster.stop();
    await this.#provider.stop();
  }

  #environmentOf(name: string): Record<string, string> {
    return this.cluster.processes.get(name)!.environment;
  }
}
