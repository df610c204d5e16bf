import type { Middleware } from 'moleculer';
import { pause, type Clock, type TimerHandle } from '../clock.ts';
import type { Logger } from '../log.ts';

/** After this Kafka has noticed that a killed process has gone, and its group has no member any more. */
const DEAD_AFTER_MS = 75_000;
/** A stop does not wait longer for what the next start removes as well. */
const FORGET_LIMIT_MS = 2_000;

export interface TransporterTraces {
  forgetFormerStarts(nodeId: string, ownGroup: string): Promise<string[]>;
  forgetStart(group: string): Promise<void>;
  close(): Promise<void>;
}

export interface TracesParts {
  nodeId: string;
  /** The consumer group of this start. */
  group: string;
  traces: () => TransporterTraces;
  clock: Clock;
  logger: Logger;
}

/**
 * Each start of a node has a consumer group of its own. Those of former starts are removed soon after the start, and
 * once more when one that was killed just before has been noticed; the own one when the process stops.
 */
export function removeTransporterTraces({ nodeId, group, traces, clock, logger }: TracesParts): Middleware {
  let later: TimerHandle | undefined;
  const use = async (work: (open: TransporterTraces) => Promise<unknown>) => {
    try {
      const open = traces();
      await work(open).finally(() => open.close());
    } catch (error) {
      // They hurt nobody; the next start tries again.
      logger.debug({ err: error }, 'consumer groups of former starts not removed');
    }
  };
  const sweep = () => void use((open) => open.forgetFormerStarts(nodeId, group));
  return {
    name: 'RemoveTransporterTraces',
    started: () => {
      sweep();
      later = clock.setTimeout(sweep, DEAD_AFTER_MS);
      return Promise.resolve();
    },
    async stopped() {
      later?.cancel();
      await Promise.race([use((open) => open.forgetStart(group)), pause(clock, FORGET_LIMIT_MS)]);
    },
  };
}
