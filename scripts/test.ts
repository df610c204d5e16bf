import { spawn } from 'node:child_process';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { findComponents, type Component } from './lib/components.ts';
import { startKafka } from './dev/kafka.ts';
import { startPostgres } from './dev/postgres.ts';
import { databaseTemplate } from '../test/support/database-folder.ts';
import { buildWeb } from './build-web.ts';

/**
 * `npm test` (fast lane) and `npm run test:full` (long lane). Chooses whole jest projects by what this
 * machine has, starts one Kafka and one PostgreSQL for the run, and says first and last what was left out.
 */
const ROOT = join(import.meta.dirname, '..');
const RESULTS = join(ROOT, '.cache/test-results');

interface Lane {
  project: string;
  needs: readonly Component[];
}

const FAST: readonly Lane[] = [
  { project: 'unit', needs: [] },
  { project: 'sim', needs: [] },
  { project: 'services', needs: [] },
  { project: 'e2e', needs: [] },
  { project: 'contract', needs: ['postgres'] },
  { project: 'redis', needs: ['redis'] },
  { project: 'kafka', needs: ['kafka'] },
  { project: 'cluster', needs: ['kafka', 'postgres'] },
  // Starts its own, which it kills.
  { project: 'faults', needs: ['kafka', 'postgres'] },
];
const LONG: readonly Lane[] = [
  { project: 'browser', needs: ['chromium'] },
  { project: 'full', needs: ['kafka', 'postgres'] },
  { project: 'full-redis', needs: ['kafka', 'postgres', 'redis'] },
];

/**
 * Each embedded database compiles PostgreSQL anew, and is gone before the better code of the optimizing compiler has
 * paid: a quarter of what a short test of a whole server takes. The long lane's run long enough.
 */
const FAST_FLAGS = ['--liftoff-only'];
/** Two more than the smallest machine has cores: many tests wait for time limits, for Kafka or for other processes. */
const FAST_WORKERS = 4;

const isFull = process.argv.includes('--full');
const lane = isFull ? 'full' : 'fast';

function run(command: string, args: readonly string[], env: Record<string, string> = {}): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: ROOT, stdio: 'inherit', env: { ...process.env, ...env } });
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
}

const bin = (name: string) => join(ROOT, 'node_modules/.bin', name);
/** By its path: the TypeScript that the linter reads with has a `tsc` too. */
const compile = (...args: string[]) =>
  run(process.execPath, [join(ROOT, 'node_modules/typescript-native/bin/tsc'), ...args]);

async function check(): Promise<boolean> {
  const codes = await Promise.all([
    // Several threads would do the same work twice, and the processors are busy with the others.
    compile('-p', 'tsconfig.json', '--singleThreaded'),
    run(bin('eslint'), ['.']),
    run(bin('prettier'), ['--check', '--log-level', 'warn', '.']),
  ]);
  return codes.every((code) => code === 0);
}

interface JestResult {
  numPassedTests: number;
  numFailedTests: number;
  numRuntimeErrorTestSuites: number;
  testResults: { name: string; assertionResults: { status: string }[] }[];
}

/** How many tests passed in each project (the folder below test/). */
function countByProject(result: JestResult): string {
  const counts = new Map<string, number>();
  for (const file of result.testResults) {
    const project = file.name.split('/test/').at(-1)!.split('/')[0]!;
    counts.set(
      project,
      (counts.get(project) ?? 0) + file.assertionResults.filter(({ status }) => status === 'passed').length,
    );
  }
  const total = (names: string[]) => names.reduce((sum, name) => sum + (counts.get(name) ?? 0), 0);
  const parts = [...counts].map(([name, count]) => `${name} ${count}`).join(', ');
  return `${parts}; on embedded ${total(['unit', 'services', 'e2e', 'contract', 'redis', 'browser', 'sim'])}, on Kafka ${total(['kafka', 'cluster', 'faults', 'full', 'full-redis'])}`;
}

const components = await findComponents();
const chosen = (isFull ? LONG : FAST).filter(({ needs }) => needs.every((need) => components[need]));
const left = (isFull ? LONG : FAST).filter((candidate) => !chosen.includes(candidate));
const leftOut = left.map(
  ({ project, needs }) => `${project} (needs ${needs.filter((need) => !components[need]).join(', ')})`,
);
const announcement = leftOut.length === 0 ? 'All test projects run.' : `LEFT OUT: ${leftOut.join('; ')}`;
console.log(announcement);
if (leftOut.length > 0 && process.env.CI === 'true') {
  console.error('With CI=true every component has to be there.');
  process.exit(1);
}

const needed = new Set(chosen.flatMap(({ needs }) => needs));
const env: Record<string, string> = {};
const stops: (() => Promise<void>)[] = [];

async function startServers(): Promise<void> {
  if (needed.has('kafka') && !process.env.KAFKA_BROKERS) {
    const kafka = await startKafka();
    stops.push(() => kafka.stop());
    env.KAFKA_BROKERS = kafka.brokers.join(',');
  }
  if (needed.has('postgres') && !process.env.DATABASE_URL) {
    const postgres = await startPostgres();
    stops.push(() => postgres.stop());
    env.DATABASE_URL = postgres.url;
  }
}

/** Checks, builds what tests use, and starts what they need, at once: the servers mostly wait. */
async function prepare(): Promise<boolean> {
  const build = async () => (await compile('-p', 'tsconfig.build.json')) === 0;
  const steps = await Promise.allSettled([
    isFull || check(),
    build(),
    buildWeb(),
    startServers(),
    // Else each worker that starts makes one.
    isFull || databaseTemplate(),
  ]);
  for (const step of steps) if (step.status === 'rejected') throw step.reason;
  const [isChecked, isBuilt] = steps.map((step) => step.status === 'fulfilled' && step.value === true);
  if (!isChecked) console.error('Typecheck, lint or format failed.');
  return isChecked === true && isBuilt === true;
}

async function runJest(): Promise<number> {
  await mkdir(RESULTS, { recursive: true });
  const resultFile = join(RESULTS, `${lane}.json`);
  await rm(resultFile, { force: true });
  const args = [
    ...(isFull ? [] : FAST_FLAGS),
    '--experimental-vm-modules',
    '--disable-warning=ExperimentalWarning',
    '--import',
    './test/support/worker-exit.ts',
    'node_modules/jest/bin/jest.js',
    '--selectProjects',
    ...chosen.map(({ project }) => project),
    '--json',
    `--outputFile=${resultFile}`,
    `--maxWorkers=${isFull ? 1 : FAST_WORKERS}`,
  ];
  const code = await run(process.execPath, args, env);
  const result = JSON.parse(await readFile(resultFile, 'utf8')) as JestResult;
  console.log(`Tests by project: ${countByProject(result)}`);
  return result.numPassedTests === 0 || result.numRuntimeErrorTestSuites > 0 ? code || 1 : code;
}

let exitCode = 1;
try {
  if (await prepare()) exitCode = await runJest();
} finally {
  for (const stop of stops.reverse()) await stop();
}
console.log(announcement);
process.exit(exitCode);
