import { judge, type Evidence } from '../support/oracle/index.ts';
import type { Scheduler } from './engine/scheduler.ts';
import type { Counters } from './engine/counters.ts';
import { act } from './world/actions.ts';
import type { SimClient } from './world/client.ts';
import { checkClaims, evidenceOf } from './world/evidence.ts';
import { checkLifecycle } from './world/lifecycle-check.ts';
import { SPAN_MS, type Schedule } from './world/schedule.ts';
import { World, type SimViolation } from './world/world.ts';

export interface Outcome {
  violations: SimViolation[];
  counters: Counters;
  /** Equal for equal schedules. */
  hash: number;
  events: number;
  acked: number;
  /** Virtual time from the end of all troubles until everything was in step. */
  settledAfterMs: number;
}

export interface RunOptions {
  onTrace?: (atMs: number, line: string) => void;
}

/** Within this time after the last trouble every page is in step, with nothing unacked, and everything stored. */
const SETTLE_LIMIT_MS = 120_000;
/** What is on its way when all are in step has arrived after this. */
const CALM_MS = 3_000;
const CALL_LIMIT_MS = 20_000;
const CHECK_EVERY_MS = 100;

/** Plays a schedule to its end and says what was wrong. */
export async function runSchedule(schedule: Schedule, { onTrace }: RunOptions = {}): Promise<Outcome> {
  const world = new World(schedule, onTrace && ((line) => onTrace(world.scheduler.now, line)));
  const { scheduler, weather } = world;
  if (onTrace)
    scheduler.onEvent = ({ label, process, at }) => onTrace(at, `${process?.name ?? '-'}: ${label}`);
  for (const action of schedule.actions)
    scheduler.after(action.atMs, `action ${action.kind}`, () => {
      onTrace?.(scheduler.now, `ACTION ${JSON.stringify(action)}`);
      act(world, action);
    });
  let isHealed = false;
  scheduler.after(SPAN_MS, 'heal', () => {
    world.probe();
    weather.clear();
    isHealed = true;
  });
  await scheduler.run(() => isHealed);
  // What somebody has yet to notice or to begin again has its own time; then the clock of the promise starts.
  await settle(world, () => world.isWell);
  const settledAfterMs = await settle(world, () => isQuiet(world));
  const fresh = world.openClient('fresh');
  if (settledAfterMs !== undefined) await settle(world, () => fresh.isSettled && isQuiet(world));
  await pass(scheduler, CALM_MS);
  let { evidence, violations } = await verdictOf(world, fresh);
  if (violations.length > world.violations.length) {
    // A call that was lost is given up only after its time limit: then it counts.
    await pass(scheduler, CALL_LIMIT_MS);
    ({ evidence, violations } = await verdictOf(world, fresh));
  }
  for (const { state } of evidence.states) for (const byte of state) scheduler.note(byte);
  const { counters } = world;
  return {
    violations,
    counters,
    hash: scheduler.hash,
    events: scheduler.events,
    acked: evidence.acks.length,
    settledAfterMs: settledAfterMs ?? SETTLE_LIMIT_MS,
  };
}

async function verdictOf(
  world: World,
  fresh: SimClient,
): Promise<{ evidence: Evidence; violations: SimViolation[] }> {
  const violations: SimViolation[] = [...world.violations, ...checkClaims(world)];
  const evidence = await evidenceOf(world, fresh);
  if (world.violations.every(({ kind }) => kind !== 'not-settled'))
    violations.push(...judge(evidence).violations, ...(await checkLifecycle(world, fresh)));
  return { evidence, violations };
}

function pass(scheduler: Scheduler, forMs: number): Promise<void> {
  let isOver = false;
  scheduler.after(forMs, 'passed', () => (isOver = true));
  return scheduler.run(() => isOver);
}

/** The virtual time that it took; undefined, and a violation, when it takes too long. */
async function settle(world: World, isDone: () => boolean): Promise<number | undefined> {
  const { scheduler } = world;
  const beganAt = scheduler.now;
  let isOver = false;
  let isSettled = false;
  const look = () => {
    isSettled = isDone();
    isOver = isSettled || scheduler.now - beganAt > SETTLE_LIMIT_MS;
    if (!isOver) scheduler.after(CHECK_EVERY_MS, 'look', look);
  };
  scheduler.after(CHECK_EVERY_MS, 'look', look);
  await scheduler.run(() => isOver);
  if (isSettled) return scheduler.now - beganAt;
  world.violations.push(...world.unsettled());
  return undefined;
}

function isQuiet(world: World): boolean {
  const areStored = world.partitions.every(({ partition, end }) => world.stored[partition]! >= end);
  return (
    areStored &&
    !world.operator.isWaiting &&
    world.isWell &&
    world.clients.every((client) => client.isSettled)
  );
}
