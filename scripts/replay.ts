import { SingleBar } from 'cli-progress';
import { readOptions, runCommand, UsageError, wholeNumber } from './lib/command-line.ts';
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

interface Options {
  urls: string[];
  trace: string;
  room: string;
  limit?: number;
  maxUnacked?: number;
  stallTimeoutMs?: number;
  isJson: boolean;
}

function parseOptions(): Options {
  const text = { type: 'string' } as const;
  const values = readOptions({
    url: text,
    url2: text,
    trace: text,
    room: text,
    limit: text,
    unacked: text,
    'stall-seconds': text,
    json: { type: 'boolean', default: false },
  });
  if (!values.url) throw new UsageError('--url is missing.');
  if (!values.trace) throw new UsageError('--trace is missing.');
  const number = (name: 'limit' | 'unacked' | 'stall-seconds', max?: number) => {
    const value = values[name];
    return value === undefined ? undefined : wholeNumber(name, value, { min: 1, ...(max && { max }) });
  };
  const [limit, maxUnacked, stallSeconds] = [
    number('limit'),
    number('unacked', 250),
    number('stall-seconds'),
  ];
  return {
    urls: [values.url, values.url2 ?? values.url].map(checkUrl),
    trace: values.trace,
    room: values.room ?? `replay-${Date.now().toString(36)}`,
    isJson: values.json,
    ...(limit === undefined ? {} : { limit }),
    ...(maxUnacked === undefined ? {} : { maxUnacked }),
    ...(stallSeconds === undefined ? {} : { stallTimeoutMs: stallSeconds * 1000 }),
  };
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

async function run(): Promise<number> {
  const options = parseOptions();
  const { urls, room, isJson } = options;
  const trace = await readTrace(options.trace).catch((error: unknown) => {
    throw error instanceof TraceError ? new UsageError(error.message, { cause: error }) : error;
  });
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

await runCommand({
  usage: USAGE,
  run,
  isExpected: (error) => error instanceof ReplayError,
});
