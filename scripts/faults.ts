import { createWriteStream } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { reportOf, writeSection } from '../test/faults/suite/report.ts';
import { runFaults, type RunResult } from '../test/faults/suite/run.ts';

/**
 * `npm run test:faults -- --seed N --kills M`: kills, hangs and cuts against the real cluster, by the seed.
 *   --from K       begins with step K          --resume   goes on where the last run of this seed stopped
 *   --report       writes test/faults/RESULTS.md
 *   .cache/faults/seed-N.log has what the processes logged
 *   --patience X   time limits X times as long, for a busy machine
 */
const ROOT = join(import.meta.dirname, '..');
const STATES = join(ROOT, '.cache/faults');
const RESULTS = join(ROOT, 'test/faults/RESULTS.md');

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    kills: { type: 'string', default: '20' },
    from: { type: 'string', default: '1' },
    patience: { type: 'string', default: '1' },
    'max-seconds': { type: 'string' },
    resume: { type: 'boolean', default: false },
    report: { type: 'boolean', default: false },
  },
});
const seed = Number(values.seed);
const kills = Number(values.kills);
const stateFile = join(STATES, `seed-${seed}.json`);

async function formerResult(): Promise<RunResult | undefined> {
  if (!values.resume) return undefined;
  const text = await readFile(stateFile, 'utf8').catch(() => undefined); // no former run: from the beginning
  return text === undefined ? undefined : (JSON.parse(text) as RunResult);
}

/** Of two runs of one seed, the second behind the first. */
function joined(former: RunResult | undefined, latter: RunResult): RunResult {
  if (!former) return latter;
  return {
    ...latter,
    steps: [...former.steps, ...latter.steps],
    acked: former.acked + latter.acked,
    lost: former.lost + latter.lost,
    quarantined: former.quarantined + latter.quarantined,
    violations: [...former.violations, ...latter.violations],
    durationMs: former.durationMs + latter.durationMs,
  };
}

const stopping = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => {
    console.log(`${signal}: stops after this scenario; again: at once`);
    stopping.abort();
  });

await mkdir(STATES, { recursive: true });
const logFile = createWriteStream(join(STATES, `seed-${seed}.log`));
const former = await formerResult();
const killedBefore = former?.steps.reduce((sum, step) => sum + step.kills, 0) ?? 0;
const result = await runFaults({
  seed,
  kills: kills - killedBefore,
  fromStep: former?.nextStep ?? Number(values.from),
  patience: Number(values.patience),
  stop: stopping.signal,
  ...(values['max-seconds'] ? { maxMs: Number(values['max-seconds']) * 1000 } : {}),
  print: (line) => console.log(`${new Date().toISOString().slice(11, 23)} ${line}`),
  log: (line) => logFile.write(`${line}\n`),
  onScenario: (soFar) => writeFile(stateFile, JSON.stringify(joined(former, soFar))),
});
const whole = joined(former, result);
const report = reportOf(whole, `npm run test:faults -- --seed ${seed} --kills ${kills}`);
console.log(`\n${report}`);
if (values.report) await writeSection(RESULTS, `faults, seed ${seed}`, report);
process.exit(whole.violations.length === 0 ? 0 : 1);
