import { MUTATIONS } from './list.ts';
import { loadMutated } from './load.ts';

/**
 * Looks for a seed that finds each mutation, and prints one line of JSON for each: `node test/sim/mutations/find.ts
 * <most seeds> [name …]`. A process of its own, since the mutated modules are loaded by hooks.
 */
const [limit = '2000', ...names] = process.argv.slice(2);

for (const mutation of MUTATIONS) {
  if (names.length > 0 && !names.includes(mutation.name)) continue;
  const { firstFound, runSeeds } = await loadMutated(mutation);
  const { name, kind, from = 1 } = mutation;
  // What was found once is the quickest to find again.
  const known = kind ? undefined : await firstFound();
  if (known !== undefined) {
    console.log(JSON.stringify({ name, schedules: 0, seed: known }));
    continue;
  }
  const { schedules, failures } = await runSeeds(from, from + Number(limit) - 1, {
    maxFailures: 1,
    ...(kind ? { kind } : {}),
  });
  const [first] = failures;
  console.log(JSON.stringify({ name, schedules, seed: first?.seed, found: first?.found.slice(0, 2) }));
}
