import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { measure, type Measurement, type MeasureOptions } from './measure.ts';
import { measureBackpressure, NUISANCES, type BackpressureMeasurement } from './backpressure.ts';
import { measurePresence, PRESENCE_CASES, type PresenceMeasurement } from './presence.ts';
import { measurePaper, type PaperMeasurement } from './paper.ts';
import {
  BACKPRESSURE_TITLE,
  backpressureTable,
  PAPER_TITLE,
  PRESENCE_TITLE,
  paperTable,
  presenceTable,
  textTable,
  withResults,
} from './report.ts';
import { readOptions, runCommand, UsageError, wholeNumber } from '../scripts/lib/command-line.ts';
import { redisAvailable } from '../scripts/dev/redis.ts';
import { SCENARIOS } from './scenarios.ts';
import { SYSTEMS, type RunningSystem, type System, type SystemParts } from './systems.ts';

const RESULTS = join(import.meta.dirname, 'RESULTS.md');
/** The replay of a whole trace, beside the scenarios of thin clients; for y-kafka only. */
const PAPER = 'paper';
/** One client that behaves badly beside others; for y-kafka only. */
const BACKPRESSURE = 'backpressure';
/** People who see each other's cursors; for y-kafka only. */
const PRESENCE = 'presence';
const OTHERS = [PAPER, BACKPRESSURE, PRESENCE];
const USAGE = `Usage: npm run bench -- [options]

  --only NAMES      systems and scenarios, separated by commas (default: all)
                    systems:   ${SYSTEMS.map(({ name }) => name).join(', ')}
                    scenarios: ${[...SCENARIOS.map(({ name }) => name), ...OTHERS].join(', ')}
  --quick           short runs, for a look; RESULTS.md stays as it is
  --seconds N       of measuring (default 15)
  --load N          load processes (default 1)
  --json FILE       also write the measurements there`;

interface Options extends MeasureOptions {
  systems: System[];
  scenarios: (typeof SCENARIOS)[number][];
  hasPaper: boolean;
  hasBackpressure: boolean;
  hasPresence: boolean;
  isQuick: boolean;
  jsonFile?: string;
}

function parseOptions(): Options {
  const text = { type: 'string' } as const;
  const values = readOptions({
    only: text,
    quick: { type: 'boolean', default: false },
    seconds: text,
    load: { ...text, default: '1' },
    json: text,
  });
  const names = values.only?.split(',').map((name) => name.trim()) ?? [];
  const systemNames = SYSTEMS.map(({ name }) => name);
  const scenarioNames = [...SCENARIOS.map(({ name }) => name), ...OTHERS];
  const unknown = names.filter((name) => ![...systemNames, ...scenarioNames].includes(name));
  if (unknown.length > 0) throw new UsageError(`Unknown: ${unknown.join(', ')}.`);
  const chosen = (all: readonly string[]) => {
    const named = all.filter((name) => names.includes(name));
    return named.length > 0 ? named : all;
  };
  const isQuick = values.quick;
  return {
    systems: SYSTEMS.filter(({ name }) => chosen(systemNames).includes(name)),
    scenarios: SCENARIOS.filter(({ name }) => chosen(scenarioNames).includes(name)),
    hasPaper: chosen(scenarioNames).includes(PAPER),
    hasBackpressure: chosen(scenarioNames).includes(BACKPRESSURE),
    hasPresence: chosen(scenarioNames).includes(PRESENCE),
    isQuick,
    warmUpMs: isQuick ? 1000 : 4000,
    measureMs: 1000 * wholeNumber('seconds', values.seconds ?? (isQuick ? '3' : '15'), { min: 1 }),
    loadProcesses: wholeNumber('load', values.load, { min: 1 }),
    ...(values.json ? { jsonFile: values.json } : {}),
  };
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

/** One run at least gave no figures. */
let hasFailed = false;

/** A fresh server for each run, so that peak memory and disk are its own. Undefined when it failed. */
async function onFreshServer<T>(
  system: System,
  title: string,
  run: (running: RunningSystem) => Promise<T>,
  { env = {}, ...parts }: SystemParts & { env?: Record<string, string> } = {},
): Promise<T | undefined> {
  console.log(`\n${system.title}: ${title}`);
  let running: RunningSystem | undefined;
  try {
    running = await system.start(env, parts);
    return await run(running);
  } catch (error) {
    console.error(`FAILED: ${(error as Error).message}`);
    hasFailed = true;
    return undefined;
  } finally {
    await running?.stop();
  }
}

/** One client types as fast as a thousand people would. */
const UNLIMITED = { YKAFKA_CONNECTION_UPDATES_PER_SECOND: '0', YKAFKA_ROOM_UPDATES_PER_SECOND: '0' };

async function measureNuisances(
  system: System,
  { warmUpMs, measureMs, loadProcesses }: Options,
): Promise<BackpressureMeasurement[]> {
  const found: BackpressureMeasurement[] = [];
  const options = { warmUpMs, measureMs, loadProcesses };
  for (const nuisance of NUISANCES) {
    const row = await onFreshServer(
      system,
      nuisance.title,
      (running) => measureBackpressure(system, running, { nuisance, options }),
      { env: nuisance.env },
    );
    if (!row) continue;
    found.push(row);
    console.log(backpressureTable([row]));
  }
  return found;
}

async function measurePresenceOf(
  system: System,
  { warmUpMs, measureMs, loadProcesses }: Options,
): Promise<PresenceMeasurement[]> {
  const found: PresenceMeasurement[] = [];
  for (const { title, gateways, needsRedis } of PRESENCE_CASES.filter((one) => one.system === system.name)) {
    if (needsRedis && !redisAvailable()) {
      console.log(`\n${title}: redis-server is not installed`);
      continue;
    }
    const row = await onFreshServer(
      system,
      `${PRESENCE_TITLE}, ${title}`,
      (running) => measurePresence(title, running, { warmUpMs, measureMs, loadProcesses }),
      { gateways, needsRedis },
    );
    if (!row) continue;
    found.push(row);
    console.log(presenceTable([row]));
  }
  return found;
}

async function run(): Promise<number> {
  const options = parseOptions();
  const { systems, scenarios, isQuick, warmUpMs, measureMs, loadProcesses } = options;
  if (systems.some(({ wire }) => wire !== 'y-kafka')) installPeers();
  const rows: Measurement[] = [];
  const papers: PaperMeasurement[] = [];
  const backpressure: BackpressureMeasurement[] = [];
  const presence: PresenceMeasurement[] = [];
  for (const system of systems) {
    for (const scenario of scenarios) {
      const row = await onFreshServer(system, scenario.title, (running) =>
        measure(system, running, scenario, { warmUpMs, measureMs, loadProcesses }),
      );
      if (!row) continue;
      rows.push(row);
      console.log(textTable([row]));
    }
    if (system.wire !== 'y-kafka') continue;
    if (options.hasPaper) {
      const paper = await onFreshServer(
        system,
        PAPER_TITLE,
        (running) => measurePaper(system, running, isQuick),
        { env: UNLIMITED },
      );
      if (paper) papers.push(paper);
    }
    if (options.hasPresence) presence.push(...(await measurePresenceOf(system, options)));
    if (options.hasBackpressure) backpressure.push(...(await measureNuisances(system, options)));
  }
  for (const { name, title } of scenarios)
    console.log(`\n${title}\n${textTable(rows.filter(({ scenario }) => scenario === name))}`);
  if (papers.length > 0) console.log(`\n${PAPER_TITLE}\n${paperTable(papers)}`);
  if (backpressure.length > 0) console.log(`\n${BACKPRESSURE_TITLE}\n${backpressureTable(backpressure)}`);
  if (presence.length > 0) console.log(`\n${PRESENCE_TITLE}\n${presenceTable(presence)}`);
  const measured = { rows, papers, backpressure, presence };
  if (options.jsonFile) await writeFile(options.jsonFile, `${JSON.stringify(measured, null, 2)}\n`);
  if (isQuick) return hasFailed ? 1 : 0;
  const how =
    `${measureMs / 1000} s measured after ${warmUpMs / 1000} s of warm-up, ${loadProcesses} load process(es) ` +
    'on the same machine, updates of about 100 bytes; a fresh server for each run.';
  const before = await readFile(RESULTS, 'utf8');
  await writeFile(RESULTS, withResults(before, measured, how));
  console.log(`\nWritten to ${RESULTS}`);
  return hasFailed ? 1 : 0;
}

await runCommand({ usage: USAGE, run });
