import { parseArgs } from 'node:util';
import type { CodecFuzzReport } from '../test/fuzz/codecs.ts';

const USAGE = `Usage: npm run fuzz -- [options]

Sends damaged frames of real sessions to a server over real sockets, while two people go on editing in a room of
their own, and looks at what it answers, at its memory and at its log.

  --frames N    frames to send (default 1,000,000)
  --codecs      no server: every reader of bytes from outside by itself, led by the code that inputs reach
  --seconds N   with --codecs: how long (default 60)
  --seed N      what is done to the frames, which are recorded anew in each run (default: a new one, which is printed)
  --json        print the report as JSON

Exit code: 0 nothing found, 1 something found, 2 bad options.`;

const PROGRESS_FRAMES = 50_000;
const LIB = new URL('../lib/', import.meta.url).href;

interface Options {
  frames: number;
  isCodecs: boolean;
  seconds: number;
  seed: number;
  isJson: boolean;
}

class UsageError extends Error {}

/** Undefined when the usage is asked for. */
function parseOptions(): Options | undefined {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  let values;
  try {
    ({ values } = parseArgs({
      options: { frames: text, codecs: flag, seconds: text, seed: text, json: flag, help: flag },
    }));
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  if (values.help) return undefined;
  return {
    frames: count('frames', values.frames, 1_000_000),
    isCodecs: values.codecs ?? false,
    seconds: count('seconds', values.seconds, 60),
    seed: count('seed', values.seed, Date.now() % 1_000_000),
    isJson: values.json ?? false,
  };
}

function count(name: string, value: string | undefined, fallback: number): number {
  if (value !== undefined && !/^\d{1,9}$/.test(value))
    throw new UsageError(`--${name} must be a whole number.`);
  return value === undefined ? fallback : Number(value);
}

async function main(): Promise<number> {
  const options = parseOptions();
  if (!options) {
    console.log(USAGE);
    return 0;
  }
  const { report, isSound } = options.isCodecs ? await fuzzCodecs(options) : await fuzzFrames(options);
  console.log(options.isJson ? JSON.stringify(report) : report);
  return isSound ? 0 : 1;
}

async function fuzzFrames(options: Options): Promise<{ report: object; isSound: boolean }> {
  const { faultsOf, fuzzGateway } = await import('../test/fuzz/run.ts');
  console.error(`Seed ${options.seed}, ${options.frames} frames.`);
  let shown = 0;
  const report = await fuzzGateway({
    ...options,
    onProgress: (sent) => {
      if (sent < shown + PROGRESS_FRAMES) return;
      shown = sent;
      console.error(`${sent} frames sent`);
    },
  });
  const faults = faultsOf(report);
  return { report: { ...report, faults }, isSound: faults.length === 0 };
}

async function fuzzCodecs(options: Options): Promise<{ report: CodecFuzzReport; isSound: boolean }> {
  const { fuzzCodecs: run } = await import('../test/fuzz/codecs.ts');
  console.error(`Seed ${options.seed}, ${options.seconds} seconds.`);
  const targets = async () => (await import('../test/fuzz/codec-targets.ts')).CODEC_TARGETS;
  const report = await run({ ...options, targets, isWatched: (url) => url.startsWith(LIB) });
  return { report, isSound: report.findings.length === 0 };
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof UsageError ? `${error.message}\n\n${USAGE}` : error);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
