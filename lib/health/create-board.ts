import { pause, systemClock, type Clock } from '../clock.ts';
import type { HealthBoard, HealthProbe, HealthReport } from './board.ts';

/** A part that hangs must not take the answer with it: a supervisor would kill a process that lives. */
const PROBE_LIMIT_MS = 3_000;

export interface ComponentProbes {
  /** Undefined when this process does not use the component. */
  db: () => Promise<boolean> | undefined;
  kafka: () => Promise<boolean> | undefined;
}

/** Puts the parts' probes together; `ok` only when every part is ready and every used component answers. */
export function createHealthBoard(
  components: ComponentProbes,
  clock: Pick<Clock, 'setTimeout'> = systemClock,
): HealthBoard {
  const probes = new Map<string, HealthProbe>();
  const inTime = <T, L>(work: Promise<T>, late: L): Promise<T | L> =>
    Promise.race([work, pause(clock, PROBE_LIMIT_MS).then(() => late)]);

  const runProbe = async (probe: HealthProbe): Promise<Awaited<ReturnType<HealthProbe>>> => {
    try {
      return await inTime(Promise.resolve(probe()), { ready: false, failure: 'no answer in time' });
    } catch (error) {
      // A probe that fails is a part that is not ready; the reason belongs into the process's own log.
      return { ready: false, failure: (error as Error).name };
    }
  };

  const componentState = async (answer: Promise<boolean> | undefined): Promise<'ok' | 'down' | 'unused'> => {
    if (answer === undefined) return 'unused';
    const isUp = await inTime(
      answer.catch(() => false),
      false,
    );
    return isUp ? 'ok' : 'down';
  };

  return {
    register(part, probe) {
      probes.set(part, probe);
    },
    async report(): Promise<HealthReport> {
      const [db, kafka, results] = await Promise.all([
        componentState(components.db()),
        componentState(components.kafka()),
        Promise.all([...probes].map(async ([part, probe]) => [part, await runProbe(probe)] as const)),
      ]);
      const parts: HealthReport['parts'] = Object.fromEntries(results);
      const connections = results.reduce((sum, [, result]) => sum + (result.connections ?? 0), 0);
      const rooms = results.reduce((sum, [, result]) => sum + (result.rooms ?? 0), 0);
      const ready = Object.values(parts).every((part) => part.ready);
      const status =
        probes.size === 0 ? 'starting' : ready && db !== 'down' && kafka !== 'down' ? 'ok' : 'degraded';
      return { status, db, kafka, connections, rooms, parts };
    },
  };
}
