import { MUTATIONS } from './list.ts';
import { loadMutated } from './load.ts';

/**
 * Looks for a seed that finds each mutation, and prints one line of JSON for each: `node test/sim/mutations/find.ts
 * <most seeds> [--count] [name …]`. With --count it tells how many of the seeds do. A process of its own, since the
 * mutated modules are loaded by hooks.
 */
const isCount = process.argv.includes('--count');
const [limit = '2000', ...names] = process.argv.slice(2).filter((argument) => argument !== '--count');

for (const mutation of MUTATIONS) {
  if (names.length > 0 && !names.includes(mutation.name)) continue;
  const { runSeeds } = await loadMutated(mutation);
  const { name, kind = 'faults' } = mutation;
  const maxFailures = isCount ? Infinity : 1;
  const { schedules, failures } = await runSeeds(1, Number(limit), { maxFailures, kind });
  const [first] = failures;
  const hits = isCount ? { hits: failures.length } : {};
  console.log(
    JSON.stringify({ name, kind, schedules, ...hits, seed: first?.seed, found: first?.found.slice(0, 2) }),
  );
}
