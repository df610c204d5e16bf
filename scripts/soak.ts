import { runSoak, soakOptions } from '../test/faults/soak/run.ts';

/**
 * `npm run soak -- --minutes 20 --clients 300 --rooms 60 --kill-every 20 [--seed n] [--report]`: a cluster of processes
 * under people who come and go, and under kills; compares what it takes at the end with the beginning, and lets the
 * oracle judge every room. `--report` writes test/faults/RESULTS.md.
 */
const options = soakOptions(process.argv.slice(2));
console.log(`seed ${options.seed}`);
process.exit(await runSoak(options));
