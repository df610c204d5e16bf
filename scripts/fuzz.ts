import { parseArgs } from 'node:util';
import { faultsOf, fuzzGateway } from '../test/fuzz/run.ts';

const USAGE = `Usage: npm run fuzz -- [options]

Sends damaged frames of real sessions to a server over real sockets, while two people go on editing in a room of
their own, and looks at what it answers, at its memory and at its log.

  --frames N    frames to send (default 1,000,000)
  --seed N      the same seed sends the same frames (default: a new one, which is printed)
  --json        print the report as JSON

Exit code: 0 nothing found, 1 something found, 2 bad options.`;

const PROGRESS_FRAMES = 50_000;

interface Options {
  frames: number;
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
    ({ values } = parseArgs({ options: { frames: text, seed: text, json: flag, help: flag } }));
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  if (values.help) return undefined;
  return {
    frames: count('frames', values.frames, 1_000_000),
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
  console.log(options.isJson ? JSON.stringify({ ...report, faults }) : { ...report, faults });
  return faults.length === 0 ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof UsageError ? `${error.message}\n\n${USAGE}` : error);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
