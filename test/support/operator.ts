import { ServiceBroker, type CallingOptions } from 'moleculer';
import { createBrokerOptions } from '../../lib/broker/options.ts';
import { loadConfig } from '../../lib/config.ts';
import type { OperationResult } from '../../lib/lifecycle/operation.ts';
import { silentLogger } from '../../lib/log.ts';
import { prepareTransporterTopics } from '../../lib/stream/kafka.ts';

const LIMIT_MS = 30_000;

/** Whoever calls the services of a cluster: a node of its own without services. */
export class Operator {
  readonly broker: ServiceBroker;

  private constructor(broker: ServiceBroker) {
    this.broker = broker;
  }

  /** Resolves when persisters can be called. */
  static async join(namespace: string, brokers: readonly string[]): Promise<Operator> {
    const config = loadConfig(
      {},
      { mode: 'cluster', kafkaBrokers: [...brokers], namespace, logLevel: 'error' },
    );
    await prepareTransporterTopics({ config, nodeId: 'operator', logger: silentLogger });
    const broker = new ServiceBroker({ ...createBrokerOptions(config, 'operator'), logger: false });
    await broker.start();
    await broker.waitForServices('persister', 60_000);
    return new Operator(broker);
  }

  /** An action of `persister.documents`, at any persister or at the one that `options` names. */
  documents<T = OperationResult>(
    operation: 'delete' | 'create' | 'replace' | 'inspect',
    params: Record<string, unknown>,
    options: CallingOptions = {},
  ): Promise<T> {
    return this.broker.call<T, object>(`persister.documents.${operation}`, params, {
      timeout: LIMIT_MS,
      ...options,
    });
  }

  stop(): Promise<void> {
    return this.broker.stop();
  }
}
