import { randomInt } from 'node:crypto';
import { runSoak } from '../test/faults/soak/run.ts';
import { readOptions, runCommand, wholeNumber } from './lib/command-line.ts';

const USAGE = `Usage: npm run soak -- [options]

A cluster of processes under people who come and go, and under kills: compares what it takes at the end with the
beginning, and lets the oracle judge every room.

  --minutes N     (default 20)
  --clients N     there at a time (default 300)
  --rooms N       (default 60)
  --kill-every N  seconds (default 20)
  --seed N        (default: a new one, which is printed)
  --report        writes test/faults/RESULTS.md

Exit code: 0 nothing lost, 1 something found, 2 bad options.`;

async function run(): Promise<number> {
  const number = (fallback: number) => ({ type: 'string', default: String(fallback) }) as const;
  const { report, ...values } = readOptions({
    minutes: number(20),
    clients: number(300),
    rooms: number(60),
    'kill-every': number(20),
    seed: number(randomInt(1, 1_000_000)),
    report: { type: 'boolean', default: false },
  });
  const read = (name: keyof typeof values) => wholeNumber(name, values[name], { min: 1 });
  const seed = read('seed');
  console.log(`seed ${seed}`);
  return runSoak({
    minutes: read('minutes'),
    clients: read('clients'),
    rooms: read('rooms'),
    killEveryS: read('kill-every'),
    seed,
    ...(report && { report: 'test/faults/RESULTS.md' }),
  });
}

await runCommand({ usage: USAGE, run });
// What a cluster of processes leaves open must not hold up the end.
process.exit();
