import { lifecycleScheduleOf } from './lifecycle-schedule.ts';
import { rareScheduleOf } from './rare-schedule.ts';
import { returnsScheduleOf } from './returns-schedule.ts';
import { scheduleOf, type Schedule, type ScheduleKind } from './schedule.ts';

/** Kinds of schedules: a seed means another one in each, and in each always the same. */
export const schedulesOf: Readonly<Record<ScheduleKind, (seed: number) => Schedule>> = {
  faults: scheduleOf,
  lifecycle: lifecycleScheduleOf,
  returns: returnsScheduleOf,
  rare: rareScheduleOf,
};

/** For what comes from a command line. */
export function isKind(text: string): text is ScheduleKind {
  return Object.hasOwn(schedulesOf, text);
}
