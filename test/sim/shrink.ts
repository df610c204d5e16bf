import { runSchedule } from './run.ts';
import type { Schedule } from './world/schedule.ts';

export type IsRed = (schedule: Schedule) => Promise<boolean>;

/** Whether a schedule breaks a promise, be it by what the oracle finds or by an error. */
export async function isRed(schedule: Schedule): Promise<boolean> {
  try {
    return (await runSchedule(schedule)).violations.length > 0;
  } catch {
    return true; // an error of the code under test is a finding as well
  }
}

/** The schedule without the actions that its failure does not need: halves first, then one by one, until none can go. */
export async function shrink(schedule: Schedule, check: IsRed = isRed): Promise<Schedule> {
  let { actions } = schedule;
  let size = Math.ceil(actions.length / 2);
  while (size > 0) {
    const before = actions.length;
    for (let at = 0; at < actions.length;) {
      const fewer = [...actions.slice(0, at), ...actions.slice(at + size)];
      if (await check({ ...schedule, actions: fewer })) actions = fewer;
      else at += size;
    }
    if (size > 1) size = Math.floor(size / 2);
    else if (actions.length === before) break;
  }
  return { ...schedule, actions };
}

/** For people: each action a line, and what is not as usual in this world. */
export function printSchedule({ seed, setup, actions }: Schedule): string {
  const lines = actions.map(
    ({ atMs, kind, ...rest }) => `  ${String(atMs).padStart(5)} ms  ${kind} ${JSON.stringify(rest)}`,
  );
  return [`seed ${seed}`, `  ${JSON.stringify(setup)}`, ...lines].join('\n');
}
