import { Ledger } from './ledger.ts';
import { Runner, seconds } from './runner.ts';
import type { FaultName } from './faults.ts';
import { openWorld } from './world.ts';

export interface RunOptions {
  seed: number;
  /** Ends after so many kills -9; other faults come in between. */
  kills: number;
  /** The first step; what a step does depends on seed and number alone. */
  fromStep?: number;
  /** Ends, after the scenario that runs, when the cluster has run for so long. */
  maxMs?: number;
  /** Faults between two looks of the oracle. */
  stepsPerScenario?: number;
  rooms?: number;
  peoplePerRoom?: number;
  /** All time limits are so many times as long: for a busy machine. */
  patience?: number;
  print: (line: string) => void;
  /** What the processes log, for whoever has to find out why. */
  log?: (line: string) => void;
  /** After each look of the oracle. */
  onScenario?: (result: RunResult) => void | Promise<void>;
  /** Ends after the scenario that runs. */
  stop?: AbortSignal;
}

export interface StepResult {
  step: number;
  fault: FaultName;
  what: string;
  kills: number;
  acked: number;
  /** Of everything that was acked in its scenario. */
  lost: number;
  /** Another fault came while this one was being got over. */
  isDouble: boolean;
  /** Until an edit of everybody has reached everybody, over all rooms. */
  worksAgainMs: number;
  /** Until what was ended ran and was ready again, or what was disturbed was healed. */
  repairedMs: number;
}

export interface RunResult {
  seed: number;
  nextStep: number;
  steps: StepResult[];
  acked: number;
  lost: number;
  quarantined: number;
  /** In words; empty = everything held. */
  violations: string[];
  durationMs: number;
}

/** Faults by the seed against the real cluster, until there were enough kills; never rejects because of what it finds. */
export async function runFaults(options: RunOptions): Promise<RunResult> {
  const { print, seed } = options;
  const started = performance.now();
  const result: RunResult = {
    seed,
    nextStep: options.fromStep ?? 1,
    steps: [],
    acked: 0,
    lost: 0,
    quarantined: 0,
    violations: [],
    durationMs: 0,
  };
  print(`seed ${seed}: starting Kafka, PostgreSQL and all services …`);
  const world = await openWorld({ onProblem: (text) => print(`! ${text}`) });
  try {
    world.onLine((name, line) => options.log?.(`[${name}] ${line}`));
    const ledger = await Ledger.open(world);
    try {
      const runner = new Runner(options, { world, ledger, result });
      print(`seed ${seed}: the cluster runs after ${seconds(performance.now() - started)}`);
      const running = performance.now();
      while (!runner.isDone(performance.now() - running)) {
        await runner.scenario();
        result.durationMs = performance.now() - started;
        await options.onScenario?.(result);
        if (result.violations.length > 0 || options.stop?.aborted) break;
      }
    } finally {
      await ledger.close();
    }
  } finally {
    await world.stop();
  }
  result.durationMs = performance.now() - started;
  return result;
}
