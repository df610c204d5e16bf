import { parseArgs } from 'node:util';
import { runFaults } from '../test/faults/suite/run.ts';

/** `npm run test:faults -- --seed N --kills M`: kills, hangs and cuts against the real cluster; docs/durability.md. */
const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    kills: { type: 'string', default: '20' },
    from: { type: 'string', default: '1' },
    patience: { type: 'string', default: '1' },
    'max-seconds': { type: 'string' },
  },
});

const result = await runFaults({
  seed: Number(values.seed),
  kills: Number(values.kills),
  fromStep: Number(values.from),
  patience: Number(values.patience),
  ...(values['max-seconds'] ? { maxMs: Number(values['max-seconds']) * 1000 } : {}),
  print: (line) => console.log(`${new Date().toISOString().slice(11, 23)} ${line}`),
});
console.log(JSON.stringify({ ...result, steps: result.steps.length }, null, 2));
process.exit(result.violations.length === 0 ? 0 : 1);
