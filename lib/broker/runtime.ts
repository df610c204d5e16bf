import type { ServiceBroker } from 'moleculer';
import type { Clock } from '../clock.ts';
import type { Config } from '../config.ts';
import { AppError } from '../errors.ts';
import type { HealthBoard } from '../health/board.ts';
import type { Logger } from '../log.ts';
import type { MemoryRelief } from '../memory-relief.ts';
import type { Metrics } from '../metrics.ts';
import type { Database } from '../store/database.ts';
import type { PersistenceAdapter } from '../store/port.ts';
import type { Stream } from '../stream/port.ts';
import type { TopicResolver } from '../stream/topics.ts';
import type { BlobTransfer } from '../transfer/port.ts';
import type { RequestHandler } from './internal-http.ts';

/** What the services of one process share. Ports are opened at their first use and closed with the process. */
export interface Runtime {
  readonly config: Config;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly topics: TopicResolver;
  readonly health: HealthBoard;
  readonly metrics: Metrics;
  readonly blobs: BlobTransfer;
  /** Told by services after large work; gives its memory back where no people are served. */
  readonly memory: Pick<MemoryRelief, 'note'>;
  stream(): Promise<Stream>;
  store(): Promise<PersistenceAdapter>;
  /** The database below the store, for accounts: opened and migrated. */
  database(): Promise<Database>;
  /** Answers requests to the internal listener, where there is one, that nobody before has answered. */
  serveInternal(handler: RequestHandler): void;
  /** Opaque random hex, 128 bits. */
  randomId(): string;
}

const runtimes = new WeakMap<ServiceBroker, Runtime>();

export function attachRuntime(broker: ServiceBroker, runtime: Runtime): void {
  runtimes.set(broker, runtime);
}

/** The runtime of a service's broker; a service takes it in `created()`. */
export function runtimeOf(broker: ServiceBroker): Runtime {
  const runtime = runtimes.get(broker);
  if (!runtime) throw new AppError('INTERNAL', { message: 'The broker was made without a runtime.' });
  return runtime;
}
