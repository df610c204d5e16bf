import { execFileSync } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { reportOf, writeSection } from '../test/faults/suite/report.ts';
import { runFaults, type RunResult } from '../test/faults/suite/run.ts';
import { readOptions, runCommand, wholeNumber } from './lib/command-line.ts';

const USAGE = `Usage: npm run test:faults -- --seed N --kills M [options]

Kills, hangs and cuts against the real cluster, by the seed; an oracle judges what was acked.

  --seed N         (default: a new one)
  --kills M        (default 20)
  --from K         begins with step K
  --resume         goes on where the last run of this seed stopped
  --patience X     time limits X times as long, for a busy machine
  --max-seconds N  stops after the scenario in which they are over
  --report         writes test/faults/RESULTS.md

What the processes logged is in .cache/faults/seed-N.log.
Exit code: 0 nothing found, 1 something found, 2 bad options.`;

const ROOT = join(import.meta.dirname, '..');
const STATES = join(ROOT, '.cache/faults');
const RESULTS = join(ROOT, 'test/faults/RESULTS.md');

function presentCommit(): string {
  try {
    const git = (...args: string[]) => execFileSync('git', args, { cwd: ROOT, encoding: 'utf8' }).trim();
    return git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain') === '' ? '' : ' and changes');
  } catch {
    return 'unknown'; // no git here
  }
}

async function formerResult(stateFile: string): Promise<RunResult | undefined> {
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

async function run(): Promise<number> {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean', default: false } as const;
  const values = readOptions({
    seed: { ...text, default: String(Date.now() % 1_000_000) },
    kills: { ...text, default: '20' },
    from: { ...text, default: '1' },
    patience: { ...text, default: '1' },
    'max-seconds': text,
    resume: flag,
    report: flag,
  });
  const [seed, kills] = [wholeNumber('seed', values.seed), wholeNumber('kills', values.kills)];
  const patience = wholeNumber('patience', values.patience, { min: 1 });
  const maxSeconds = values['max-seconds'];
  const limit = maxSeconds === undefined ? {} : { maxMs: 1000 * wholeNumber('max-seconds', maxSeconds) };
  const stopping = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => {
      console.log(`${signal}: stops after this scenario; again: at once`);
      stopping.abort();
    });
  await mkdir(STATES, { recursive: true });
  const logFile = createWriteStream(join(STATES, `seed-${seed}.log`));
  const stateFile = join(STATES, `seed-${seed}.json`);
  const former = values.resume ? await formerResult(stateFile) : undefined;
  const killedBefore = former?.steps.reduce((sum, step) => sum + step.kills, 0) ?? 0;
  const result = await runFaults({
    seed,
    kills: kills - killedBefore,
    fromStep: former?.nextStep ?? wholeNumber('from', values.from, { min: 1 }),
    patience,
    stop: stopping.signal,
    ...limit,
    print: (line) => console.log(`${new Date().toISOString().slice(11, 23)} ${line}`),
    log: (line) => logFile.write(`${line}\n`),
    onScenario: (soFar) => writeFile(stateFile, JSON.stringify(joined(former, soFar))),
  });
  const whole = joined(former, result);
  const report = reportOf(whole, {
    command: `npm run test:faults -- --seed ${seed} --kills ${kills}${patience === 1 ? '' : ` --patience ${patience}`}`,
    commit: presentCommit(),
  });
  console.log(`\n${report}`);
  if (values.report) await writeSection(RESULTS, `faults, seed ${seed}`, report);
  // Whoever writes here is honest: what was set aside would be lost to them.
  if (whole.quarantined > 0) console.log(`${whole.quarantined} records of honest writers were set aside`);
  return whole.violations.length === 0 && whole.quarantined === 0 ? 0 : 1;
}

await runCommand({ usage: USAGE, run });
// What a cluster of processes leaves open must not hold up the end.
process.exit();
