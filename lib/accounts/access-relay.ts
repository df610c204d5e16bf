import type { Clock, TimerHandle } from '../clock.ts';
import { failpoint } from '../failpoints.ts';
import { encodeAccessChange, type AccessChange } from '../lifecycle/access-record.ts';
import type { Logger } from '../log.ts';
import type { Database } from '../store/database.ts';
import type { Stream } from '../stream/port.ts';
import { AccessChangeEntity } from './entities.ts';

export interface AccessRelayParts {
  /** Opened at the first use; one that cannot be opened yet is asked for again. */
  database: () => Promise<Pick<Database, 'entities'>>;
  stream: () => Promise<Pick<Stream, 'append'>>;
  controlTopic: string;
  clock: Clock;
  logger: Logger;
  /** Between two looks when nobody wakes it, in ms: what a process has recorded that died right after it. */
  pollMs: number;
}

const BATCH = 100;
const RETRY_MS = 250;

/**
 * Takes recorded changes of rights to the control topic, in order, each until it is appended: a crash between the two
 * says it twice, never not at all. Any number of processes may run one, and say one change several times: it carries
 * its id, by which readers know it again. Nothing is locked while the log is written.
 */
export class AccessRelay {
  readonly #parts: AccessRelayParts;
  #timer: TimerHandle | undefined;
  #running: Promise<void> | undefined;
  #isWanted = false;
  #isStopped = false;
  #hasFailed = false;

  constructor(parts: AccessRelayParts) {
    this.#parts = parts;
  }

  /** Looks now; whoever has recorded a change in this process says so by this. */
  wake(): void {
    this.#isWanted = true;
    if (this.#isStopped || this.#running) return;
    this.#timer?.cancel();
    this.#running = this.#run().finally(() => {
      this.#running = undefined;
      if (this.#isStopped) return;
      const { clock, pollMs } = this.#parts;
      if (this.#hasFailed) this.#timer = clock.setTimeout(() => this.wake(), Math.min(RETRY_MS, pollMs));
      else if (this.#isWanted) this.wake();
      else this.#timer = clock.setTimeout(() => this.wake(), pollMs);
    });
  }

  /** Resolves when what is under way has ended. Idempotent. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    await this.#running;
  }

  async #run(): Promise<void> {
    this.#isWanted = false;
    try {
      while ((await this.#relayBatch()) === BATCH && !this.#isStopped);
      this.#hasFailed = false;
    } catch (error) {
      // Once for an outage: it is tried again with every look.
      if (!this.#hasFailed)
        this.#parts.logger.warn({ err: error }, 'changes of rights wait for the log or the database');
      this.#hasFailed = true;
    }
  }

  /** Returns how many there were. */
  async #relayBatch(): Promise<number> {
    const { controlTopic } = this.#parts;
    const [database, stream] = await Promise.all([this.#parts.database(), this.#parts.stream()]);
    const rows = await database.entities((em) =>
      em.find(AccessChangeEntity, {}, { orderBy: { id: 'asc' }, limit: BATCH }),
    );
    if (rows.length === 0) return 0;
    const records = rows.map(({ id, change }) => encodeAccessChange({ ...(change as AccessChange), id }));
    failpoint('relay:before');
    await stream.append({ topic: controlTopic, partition: 0 }, records);
    await database.entities((em) =>
      em.nativeDelete(AccessChangeEntity, { id: { $in: rows.map(({ id }) => id) } }),
    );
    return rows.length;
  }
}
