import { explainRed, isRed, printSchedule, shrink } from '../shrink.ts';
import { schedulesOf } from '../world/kinds.ts';
import type { Schedule } from '../world/schedule.ts';
import { MUTATIONS } from './list.ts';
import { loadMutated } from './load.ts';

/**
 * Shrinks the first schedule that finds a mutation, and prints one line of JSON: `node test/sim/mutations/shrink-one.ts
 * <name> <most seeds>`. A process of its own, since the mutated modules are loaded by hooks.
 */
const [name, limit = '200'] = process.argv.slice(2);
const mutation = MUTATIONS.find((one) => one.name === name)!;
const { kind = 'faults' } = mutation;
const { runSeeds, findingsOf } = await loadMutated(mutation);
const isRedMutated = async (schedule: Schedule) => (await findingsOf(schedule)).length > 0;
const [first] = (await runSeeds(1, Number(limit), { maxFailures: 1, kind })).failures;
if (!first) throw new Error(`No seed up to ${limit} finds ${name}.`);
const whole = schedulesOf[kind](first.seed);
const minimal = await shrink(whole, isRedMutated);
console.log(
  JSON.stringify({
    seed: first.seed,
    whole: whole.actions,
    minimal: minimal.actions,
    isRed: await isRedMutated(minimal),
    isRedWithoutTheMutation: await isRed(minimal),
    printed: printSchedule(minimal),
    message: await explainRed([first], kind, isRedMutated),
  }),
);
