import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { measure, type Measurement, type MeasureOptions } from './measure.ts';
import { markdownSection, replaceSection, textTable } from './report.ts';
import { SCENARIOS } from './scenarios.ts';
import { SYSTEMS, type RunningSystem, type System } from './systems.ts';

const RESULTS = join(import.meta.dirname, 'RESULTS.md');
const USAGE = `Usage: npm run bench -- [options]

  --only NAMES      systems and scenarios, separated by commas (default: all)
                    systems:   ${SYSTEMS.map(({ name }) => name).join(', ')}
                    scenarios: ${SCENARIOS.map(({ name }) => name).join(', ')}
  --quick           short runs, for a look; RESULTS.md stays as it is
  --seconds N       of measuring (default 15)
  --load N          load processes (default 1)
  --json FILE       also write the measurements there`;

class UsageError extends Error {}

interface Options extends MeasureOptions {
  systems: System[];
  scenarios: (typeof SCENARIOS)[number][];
  isQuick: boolean;
  jsonFile?: string;
}

function parseOptions(): Options {
  const text = { type: 'string' } as const;
  const options = { only: text, quick: { type: 'boolean' }, seconds: text, load: text, json: text } as const;
  let values;
  try {
    ({ values } = parseArgs({ options }));
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  const names = values.only?.split(',').map((name) => name.trim()) ?? [];
  const known = [...SYSTEMS, ...SCENARIOS].map(({ name }) => name);
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0) throw new UsageError(`Unknown: ${unknown.join(', ')}.`);
  const choose = <T extends { name: string }>(from: readonly T[]) => {
    const chosen = from.filter(({ name }) => names.includes(name));
    return chosen.length > 0 ? chosen : [...from];
  };
  const isQuick = values.quick ?? false;
  return {
    systems: choose(SYSTEMS),
    scenarios: choose(SCENARIOS),
    isQuick,
    warmUpMs: isQuick ? 1000 : 4000,
    measureMs: 1000 * count('seconds', values.seconds, isQuick ? 3 : 15),
    loadProcesses: count('load', values.load, 1),
    ...(values.json ? { jsonFile: values.json } : {}),
  };
}

function count(name: string, value: string | undefined, fallback: number): number {
  if (value !== undefined && !/^[1-9]\d{0,3}$/.test(value))
    throw new UsageError(`--${name} must be a whole number from 1.`);
  return value === undefined ? fallback : Number(value);
}

/** The servers beside which y-kafka is measured are fetched for the bench only. */
function installPeers(): void {
  if (existsSync(join(import.meta.dirname, 'node_modules/.package-lock.json'))) return;
  console.log('Fetching y-websocket and Hocuspocus into bench/node_modules …');
  const { status } = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], {
    cwd: import.meta.dirname,
    stdio: 'inherit',
  });
  if (status !== 0) throw new Error('npm could not fetch them.');
}

async function measureSystem(system: System, options: Options): Promise<Measurement[]> {
  const rows: Measurement[] = [];
  for (const scenario of options.scenarios) {
    // A fresh server for each scenario, so that peak memory is that of the scenario.
    let running: RunningSystem | undefined;
    try {
      running = await system.start();
      const { warmUpMs, measureMs, loadProcesses } = options;
      rows.push(await measure(system, running, scenario, { warmUpMs, measureMs, loadProcesses }));
      console.log(`\n${system.title}: ${scenario.title}\n${textTable(rows.slice(-1))}`);
    } catch (error) {
      console.error(`\n${system.title}: ${scenario.title}: FAILED: ${(error as Error).message}`);
      process.exitCode = 1;
    } finally {
      await running?.stop();
    }
  }
  return rows;
}

async function main(): Promise<void> {
  const options = parseOptions();
  if (options.systems.some(({ wire }) => wire !== 'y-kafka')) installPeers();
  const rows: Measurement[] = [];
  for (const system of options.systems) rows.push(...(await measureSystem(system, options)));
  for (const { name, title } of options.scenarios)
    console.log(`\n${title}\n${textTable(rows.filter(({ scenario }) => scenario === name))}`);
  if (options.jsonFile) await writeFile(options.jsonFile, `${JSON.stringify(rows, null, 2)}\n`);
  if (options.isQuick) return;
  const how =
    `${options.measureMs / 1000} s measured after ${options.warmUpMs / 1000} s of warm-up, ${options.loadProcesses} load process(es) ` +
    'on the same machine, updates of about 100 bytes; a fresh server for each scenario.';
  const before = await readFile(RESULTS, 'utf8');
  await writeFile(RESULTS, replaceSection(before, markdownSection(rows, how)));
  console.log(`\nWritten to ${RESULTS}`);
}

try {
  await main();
} catch (error) {
  console.error(error instanceof UsageError ? `${error.message}\n\n${USAGE}` : error);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
