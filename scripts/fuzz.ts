import type { CodecFuzzReport } from '../test/fuzz/codecs.ts';
import { readOptions, runCommand, wholeNumber } from './lib/command-line.ts';

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

function parseOptions(): Options {
  const number = (fallback: number) => ({ type: 'string', default: String(fallback) }) as const;
  const flag = { type: 'boolean', default: false } as const;
  const values = readOptions({
    frames: number(1_000_000),
    seconds: number(60),
    seed: number(Date.now() % 1_000_000),
    codecs: flag,
    json: flag,
  });
  return {
    frames: wholeNumber('frames', values.frames),
    isCodecs: values.codecs,
    seconds: wholeNumber('seconds', values.seconds),
    seed: wholeNumber('seed', values.seed),
    isJson: values.json,
  };
}

async function run(): Promise<number> {
  const options = parseOptions();
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
  const { fuzzCodecs: fuzz } = await import('../test/fuzz/codecs.ts');
  console.error(`Seed ${options.seed}, ${options.seconds} seconds.`);
  const targets = async () => (await import('../test/fuzz/codec-targets.ts')).CODEC_TARGETS;
  const report = await fuzz({ ...options, targets, isWatched: (url) => url.startsWith(LIB) });
  return { report, isSound: report.findings.length === 0 };
}

await runCommand({ usage: USAGE, run });
