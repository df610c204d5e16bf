import { systemClock, type Clock } from '../../../lib/clock.ts';
import type { Config } from '../../../lib/config.ts';
import type { AppError } from '../../../lib/errors.ts';
import type { SyncAnswer, SyncRequest, SyncSource } from '../../../lib/sync/port.ts';
import { openLog, startGateway } from './harness.ts';

/** Stops answers on their way, so that the log moves on behind them. */
export class SlowSync implements SyncSource {
  readonly #sync: SyncSource;
  #gate: Promise<void> = Promise.resolve();
  failWith: AppError | undefined;
  /** Those that have an answer, which may still be on its way: it knows nothing of what comes from then on. */
  readonly requests: SyncRequest[] = [];

  constructor(sync: SyncSource) {
    this.#sync = sync;
  }

  /** From now on answers wait; returns how to let them go, and all that come later. */
  hold(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#gate = promise;
    return resolve;
  }

  async join(request: SyncRequest): Promise<SyncAnswer> {
    if (this.failWith) throw this.failWith;
    const answer = await this.#sync.join(request);
    this.requests.push(request);
    await this.#gate;
    return answer;
  }
}

/** A gateway on a log of its own whose joins can be held up. */
export async function startSlow(config: Partial<Config> = {}, clock: Clock = systemClock) {
  const log = await openLog();
  const sync = new SlowSync(log.sync);
  return { sync, ...(await startGateway(log, { sync, config, clock })) };
}
