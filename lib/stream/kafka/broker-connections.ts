import { ConnectionPool, parseBroker, type Broker, type Connection } from '@platformatic/kafka';
import { AppError } from '../../errors.ts';
import { reasonOf } from './errors.ts';
import type { KafkaSettings } from './settings.ts';

type ConnectionSettings = Pick<KafkaSettings, 'brokers' | 'clientId' | 'clock' | 'logger'>;

/** A broker that takes connections and does not answer costs this once; then the others are asked first. */
const REQUEST_TIMEOUT_MS = 3000;
const CONNECT_TIMEOUT_MS = 2000;
/** After this a question to any broker is not put to a further one; who asks again begins with the others. */
const ANY_BROKER_MS = 4000;

/**
 * Connections for single questions. Each broker has its own pool, so that one that hangs does not take the answers of
 * the others with it; and they are asked in an order that the last answers decide.
 */
export class BrokerConnections {
  readonly #settings: ConnectionSettings;
  readonly #pools = new Map<string, ConnectionPool>();
  #addresses: readonly string[];
  #closed = false;

  constructor(settings: ConnectionSettings) {
    this.#settings = settings;
    this.#addresses = [...settings.brokers];
  }

  /** host:port of all brokers known, those that did not answer last. */
  get addresses(): readonly string[] {
    return this.#addresses;
  }

  /** The cluster names its brokers; those of the configuration stay, since they may be other names of them. */
  know(brokers: Iterable<Broker>): void {
    const named = new Set([...brokers].map(addressOf));
    const kept = this.#addresses.filter(
      (address) => named.has(address) || this.#settings.brokers.includes(address),
    );
    this.#addresses = [...kept, ...[...named].filter((address) => !kept.includes(address))];
  }

  /** Any broker, the next one when one does not answer. Rejects with the last error. */
  async askAny<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    const { clock } = this.#settings;
    const deadline = clock.now() + ANY_BROKER_MS;
    let last: unknown = new AppError('STREAM_UNAVAILABLE');
    for (const address of this.#addresses) {
      if (this.#closed) throw new AppError('STREAM_CLOSED');
      try {
        return await this.ask(parseBroker(address), work);
      } catch (error) {
        last = error;
        if (clock.now() >= deadline) break;
      }
    }
    throw last;
  }

  async ask<T>(broker: Broker, work: (connection: Connection) => Promise<T>): Promise<T> {
    if (this.#closed) throw new AppError('STREAM_CLOSED');
    const address = addressOf(broker);
    const pool = this.#poolOf(address);
    try {
      return await work(await pool.get(broker));
    } catch (error) {
      if (!isAnswer(error)) this.#giveUp(address, pool);
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#pools.values()].map((pool) => this.#release(pool)));
    this.#pools.clear();
  }

  #poolOf(address: string): ConnectionPool {
    let pool = this.#pools.get(address);
    if (pool) return pool;
    pool = new ConnectionPool(`${this.#settings.clientId}-meta`, {
      connectTimeout: CONNECT_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
    });
    surviveSocketErrors(pool);
    this.#pools.set(address, pool);
    return pool;
  }

  /** Its connections are made again, none may hang on what is gone; and it is asked last. */
  #giveUp(address: string, pool: ConnectionPool): void {
    if (this.#pools.get(address) !== pool || this.#closed) return;
    this.#pools.delete(address);
    void this.#release(pool);
    if (this.#addresses.includes(address))
      this.#addresses = [...this.#addresses.filter((other) => other !== address), address];
  }

  async #release(pool: ConnectionPool): Promise<void> {
    try {
      await pool.close();
    } catch (error) {
      this.#settings.logger.debug({ reason: reasonOf(error) }, 'kafka connections not closed in order');
    }
  }
}

/** A second error on a connection would be an unheard 'error' event, which ends the process. */
export function surviveSocketErrors(pool: ConnectionPool): void {
  pool.on('connecting', ({ connection }) => void connection.on('error', () => undefined));
}

export function addressOf({ host, port }: Broker): string {
  return `${host}:${port}`;
}

/** An error that the broker has answered with: the connection is good. */
function isAnswer(error: unknown): boolean {
  return (error as { response?: unknown }).response !== undefined;
}
