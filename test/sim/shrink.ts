import { findingsOf, type Failure } from './seeds.ts';
import { schedulesOf } from './world/kinds.ts';
import type { Schedule, ScheduleKind } from './world/schedule.ts';

export type IsRed = (schedule: Schedule) => Promise<boolean>;

/** Whether a schedule breaks a promise. */
export async function isRed(schedule: Schedule): Promise<boolean> {
  return (await findingsOf(schedule)).length > 0;
}

/** What a person has to know of seeds that fail: which, how to see the first again, and its minimal schedule. */
export async function explainRed(
  failures: readonly [Failure, ...Failure[]],
  kind: ScheduleKind,
  check: IsRed = isRed,
): Promise<string> {
  const [first] = failures;
  const minimal = await shrink(schedulesOf[kind](first.seed), check);
  const seeds = failures.map(({ seed }) => seed).join(', ');
  return (
    `Schedules fail (seeds ${seeds}); npm run sim -- --kind ${kind} --seed ${first.seed} --trace shows the first.\n` +
    `${first.found.join('\n')}\nMinimal:\n${printSchedule(minimal)}`
  );
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
