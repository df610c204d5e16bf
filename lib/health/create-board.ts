import type { HealthBoard, HealthProbe, HealthReport } from './board.ts';

export interface ComponentProbes {
  /** Undefined when this process does not use the component. */
  db: () => Promise<boolean> | undefined;
  kafka: () => Promise<boolean> | undefined;
}

/** Puts the parts' probes together; `ok` only when every part is ready and every used component answers. */
export function createHealthBoard(components: ComponentProbes): HealthBoard {
  const probes = new Map<string, HealthProbe>();

  const runProbe = async (probe: HealthProbe): Promise<Awaited<ReturnType<HealthProbe>>> => {
    try {
      return await probe();
    } catch (error) {
      // A probe that fails is a part that is not ready; the reason belongs into the process's own log.
      return { ready: false, failure: (error as Error).name };
    }
  };

  const componentState = async (answer: Promise<boolean> | undefined): Promise<'ok' | 'down' | 'unused'> => {
    if (answer === undefined) return 'unused';
    return (await answer.catch(() => false)) ? 'ok' : 'down';
  };

  return {
    register(part, probe) {
      probes.set(part, probe);
    },
    async report(): Promise<HealthReport> {
      const [db, kafka] = await Promise.all([
        componentState(components.db()),
        componentState(components.kafka()),
      ]);
      const parts: HealthReport['parts'] = {};
      let connections = 0;
      let rooms = 0;
      for (const [part, probe] of probes) {
        const result = await runProbe(probe);
        connections += result.connections ?? 0;
        rooms += result.rooms ?? 0;
        parts[part] = result;
      }
      const ready = Object.values(parts).every((part) => part.ready);
      const status =
        probes.size === 0 ? 'starting' : ready && db !== 'down' && kafka !== 'down' ? 'ok' : 'degraded';
      return { status, db, kafka, connections, rooms, parts };
    },
  };
}
