import { parseArgs } from 'node:util';
import { SingleBar } from 'cli-progress';
import { replayTrace, type ReplayProgress, type ReplayResult } from './lib/replay.ts';
import { ReplayError } from './lib/replay-error.ts';
import { readTrace, TraceError } from './lib/trace.ts';

const USAGE = `Usage: npm run replay -- --url URL --trace FILE [options]

Replays an editing trace through real provider clients, then compares what a fresh client sees.

  --url URL          server, e.g. http://127.0.0.1:3000
  --url2 URL         server of the second agent, and of the fresh client at the end (default: --url)
  --trace FILE       gzipped JSON, e.g. test/data/friendsforever.json.gz
  --room ROOM        must be empty (default: a new one); open it in the browser with /?room=ROOM
  --limit N          only the first N transactions
  --unacked N        updates of an agent that may wait for their ack, 1 to 250 (default 200)
  --stall-seconds N  give up when nothing happens for this long (default 120)
  --json             print the summary as JSON

Exit code: 0 equal, 1 not equal or failed, 2 bad options.`;

/** What the command line says is wrong; shown with the usage. */
class UsageError extends Error {}

interface Options {
  urls: string[];
  trace: string;
  room: string;
  limit?: number;
  maxUnacked?: number;
  stallTimeoutMs?: number;
  isJson: boolean;
}

function parseOptions(args: string[]): Options | 'help' {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  let values;
  try {
    ({ values } = parseArgs({
      args,
      options: {
        url: text,
        url2: text,
        trace: text,
        room: text,
        limit: text,
        unacked: text,
        'stall-seconds': text,
        json: flag,
        help: flag,
      },
    }));
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  if (values.help) return 'help';
  if (!values.url) throw new UsageError('--url is missing.');
  if (!values.trace) throw new UsageError('--trace is missing.');
  const limit = count('limit', values.limit);
  const maxUnacked = count('unacked', values.unacked);
  if (maxUnacked !== undefined && maxUnacked > 250) throw new UsageError('--unacked must be 250 at most.');
  const stallSeconds = count('stall-seconds', values['stall-seconds']);
  return {
    urls: [values.url, values.url2 ?? values.url].map(checkUrl),
    trace: values.trace,
    room: values.room ?? `replay-${Date.now().toString(36)}`,
    isJson: values.json ?? false,
    ...(limit === undefined ? {} : { limit }),
    ...(maxUnacked === undefined ? {} : { maxUnacked }),
    ...(stallSeconds === undefined ? {} : { stallTimeoutMs: stallSeconds * 1000 }),
  };
}

function count(name: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (!/^[1-9]\d{0,8}$/.test(value)) throw new UsageError(`--${name} must be a whole number from 1.`);
  return Number(value);
}

function checkUrl(text: string): string {
  const protocol = URL.canParse(text) ? new URL(text).protocol : '';
  if (protocol !== 'http:' && protocol !== 'https:')
    throw new UsageError(`${JSON.stringify(text)} is not an http or https URL.`);
  return text;
}

interface ProgressView {
  show(progress: ReplayProgress): void;
  end(): void;
}

/** A bar for a person, a line for every tenth otherwise. */
function createProgressView(isQuiet: boolean): ProgressView {
  if (isQuiet) return { show: () => undefined, end: () => undefined };
  if (!process.stderr.isTTY) {
    let tenths = 0;
    const show = ({ acked, total }: ReplayProgress) => {
      const now = Math.floor((acked / total) * 10);
      if (now > tenths) process.stderr.write(`${now * 10} % acked (${acked} of ${total})\n`);
      tenths = Math.max(tenths, now);
    };
    return { show, end: () => undefined };
  }
  const format = 'acked {bar} {percentage} % | {value}/{total} | written {written} | {duration_formatted}';
  const bar = new SingleBar({ format, hideCursor: true, barsize: 32 });
  let isStarted = false;
  const show = ({ acked, written, total }: ReplayProgress) => {
    if (!isStarted) bar.start(total, 0, { written: 0 });
    isStarted = true;
    bar.update(acked, { written });
  };
  return { show, end: () => bar.stop() };
}

function describe(result: ReplayResult, room: string): string {
  const { isEqual, difference, transactions, agents, durationMs, editsPerSecond, openMs, characters } =
    result;
  if (difference) {
    const { seenBy, at, expected, found } = difference;
    console.error(
      `The text of ${seenBy} differs from character ${at}:\n  expected ${JSON.stringify(expected)}\n  found    ${JSON.stringify(found)}`,
    );
  }
  const seconds = (durationMs / 1000).toFixed(1);
  return (
    `${isEqual ? 'equal' : 'NOT EQUAL'}: room ${room}, ${result.edits} edits in ${transactions} transactions by ${agents} agent(s) ` +
    `in ${seconds} s, ${Math.round(editsPerSecond)} edits/s; ${characters} characters, opened in ${Math.round(openMs)} ms`
  );
}

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2));
  if (options === 'help') {
    console.log(USAGE);
    return 0;
  }
  const { urls, room, isJson } = options;
  const trace = await readTrace(options.trace);
  const view = createProgressView(isJson);
  try {
    const result = await replayTrace({ ...options, trace, onProgress: (progress) => view.show(progress) });
    view.end();
    console.log(isJson ? JSON.stringify({ ...result, room, urls }) : describe(result, room));
    return result.isEqual ? 0 : 1;
  } finally {
    view.end();
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  const isExpected = [UsageError, TraceError, ReplayError].some((known) => error instanceof known);
  console.error(isExpected ? (error as Error).message : error);
  if (error instanceof UsageError) console.error(`\n${USAGE}`);
  process.exitCode = error instanceof UsageError || error instanceof TraceError ? 2 : 1;
}
