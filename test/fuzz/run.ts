import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DEFAULT_LIMITS } from '../../lib/protocol/index.ts';
import { INAPPLICABLE } from '../../lib/store/operations.ts';
import { startServerProcess, type StartedServer } from '../support/start-process.ts';
import { Attacker, type AttackReport } from './attacker.ts';
import { ControlRoom, type ControlReport } from './control-room.ts';
import { recordCorpus, type Corpus } from './corpus.ts';
import { digestOf, readLog, type LogReport } from './log-check.ts';
import { SeededRandom } from './random.ts';

export interface FuzzOptions {
  seed: number;
  frames: number;
  /** Connections at a time. */
  attackers?: number;
  onProgress?: (sent: number) => void;
}

export interface FuzzReport extends LogReport {
  seed: number;
  frames: number;
  requests: number;
  connections: number;
  closedAsOffenders: number;
  nacks: Record<string, number>;
  /** Of both kinds: what came and why it should not have, or what did not come and for which bytes. */
  unanswered: string[];
  unexpected: string[];
  acks: number;
  control: ControlReport;
  rssStartMb: number;
  rssPeakMb: number;
  rssEndMb: number;
  seconds: number;
}

const ATTACKERS = 4;
const FRAMES_PER_CONNECTION = 3_000;
/** Above the default, so that a connection lives for many frames; some are closed by it all the same. */
const MAX_BAD_MESSAGES = 1_000;
const EDIT_EVERY_MS = 50;
const LIMITS = { ...DEFAULT_LIMITS };

/** Mutated frames against a server in a process of its own; what came of it. Leaves nothing behind. */
export async function fuzzGateway(options: FuzzOptions): Promise<FuzzReport> {
  const dataDir = await mkdtemp(join(tmpdir(), 'ykafka-fuzz-'));
  const server = await startServerProcess({
    dataDir,
    port: 0,
    env: {
      YKAFKA_LOG_LEVEL: 'warn',
      YKAFKA_MAX_BAD_MESSAGES: String(MAX_BAD_MESSAGES),
      YKAFKA_EMBEDDED_TAIL_RECORDS: '100000000',
      // What is looked for is what bad frames do, not how many of them may come.
      YKAFKA_CONNECTION_UPDATES_PER_SECOND: '0',
      YKAFKA_CONNECTION_BYTES_PER_SECOND: '0',
      YKAFKA_ROOM_UPDATES_PER_SECOND: '0',
      YKAFKA_ROOM_BYTES_PER_SECOND: '0',
      YKAFKA_CONNECTION_JOINS_PER_SECOND: '0',
    },
  });
  let isStopped = false;
  try {
    // Digests of what may be in the log.
    const sound = new Set<string>();
    const live = await attack(server, sound, options);
    const code = await server.stop();
    isStopped = true;
    if (code !== 0) throw new Error(`The server ended with code ${code}.`);
    return { ...live, ...(await readLog(dataDir, { sound, limits: LIMITS })) };
  } catch (error) {
    throw new Error(`The run broke off. The server said:\n${server.output()}`, { cause: error });
  } finally {
    if (!isStopped) await server.kill();
    await rm(dataDir, { recursive: true, force: true });
  }
}

type Live = Omit<FuzzReport, keyof LogReport>;

async function attack(server: StartedServer, sound: Set<string>, options: FuzzOptions): Promise<Live> {
  const corpus = await recordCorpus(server.url);
  const control = new ControlRoom(server.url);
  const rssStartMb = rssMb(server.pid);
  let rssPeakMb = rssStartMb;
  const watch = setInterval(() => (rssPeakMb = Math.max(rssPeakMb, rssMb(server.pid))), 200);
  const startedMs = performance.now();
  try {
    await control.start(EDIT_EVERY_MS);
    const reports = await shootAll({ url: server.url, corpus, sound }, options);
    return {
      seed: options.seed,
      ...summed(reports),
      control: await control.stop(),
      rssStartMb,
      rssPeakMb,
      rssEndMb: rssMb(server.pid),
      seconds: Math.round((performance.now() - startedMs) / 1000),
    };
  } finally {
    clearInterval(watch);
    control.close();
  }
}

/** Attackers one after the other in some lanes at once, until all frames are sent. */
async function shootAll(
  { url, corpus, sound }: { url: string; corpus: Corpus; sound: Set<string> },
  options: FuzzOptions,
): Promise<AttackReport[]> {
  const onSound = (update: Uint8Array) => void sound.add(digestOf(update));
  const random = new SeededRandom(options.seed);
  const reports: AttackReport[] = [];
  let begun = 0;
  let rooms = 0;
  const lane = async () => {
    while (begun < options.frames) {
      const frames = Math.min(FRAMES_PER_CONNECTION, options.frames - begun);
      begun += frames;
      const roomId = `room-${String(rooms++).padStart(7, '0')}`;
      // Each has its own numbers: how the lanes are interleaved does not change what each of them sends.
      const attack = { url, corpus, limits: LIMITS, random: random.fork(), roomId, frames, onSound };
      const report = await new Attacker(attack).run();
      reports.push(report);
      // What an offender could not send any more is sent by the next one.
      begun -= Math.max(0, frames - report.frames);
      options.onProgress?.(reports.reduce((sum, each) => sum + each.frames, 0));
    }
  };
  await Promise.all(Array.from({ length: options.attackers ?? ATTACKERS }, lane));
  return reports;
}

function summed(reports: readonly AttackReport[]) {
  const sum = (of: (report: AttackReport) => number) =>
    reports.reduce((total, report) => total + of(report), 0);
  const nacks: Record<string, number> = {};
  for (const report of reports)
    for (const [code, count] of Object.entries(report.nacks)) nacks[code] = (nacks[code] ?? 0) + count;
  return {
    frames: sum(({ frames }) => frames),
    requests: sum(({ requests }) => requests),
    connections: reports.length,
    closedAsOffenders: reports.filter(({ closed }) => closed?.code === 'REPEATED_OFFENDER').length,
    nacks,
    unanswered: reports.flatMap(({ unanswered }) => unanswered),
    unexpected: reports.flatMap(({ unexpected }) => unexpected),
    acks: sum(({ acks }) => acks),
  };
}

function rssMb(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Math.round(Number(kilobytes ?? 0) / 1024);
}

/** Memory that the server may have gained at any moment: what it caches and keeps of the rooms of the last minute. */
export const MAX_RSS_GROWTH_MB = 512;
const MAX_SHOWN = 20;

/** What is wrong with a run; empty when all is as it should be. */
export function faultsOf(report: FuzzReport): string[] {
  const { control, unsoundRecords } = report;
  const faults = control.complaints.map((complaint) => `control room: ${complaint}`);
  if (control.acked < control.edits) faults.push(`control room: ${control.acked} of ${control.edits} acked`);
  for (const kind of ['unanswered', 'unexpected'] as const) {
    const nacks = report[kind];
    if (nacks.length > 0) faults.push(`${nacks.length} nacks ${kind}`, ...nacks.slice(0, MAX_SHOWN));
  }
  if (report.records < report.acks) faults.push(`${report.acks} acks, but ${report.records} records`);
  faults.push(...unsoundRecords.slice(0, MAX_SHOWN).map((record) => `unsound record ${record}`));
  // What decodes and can still not be applied shows only with the document that it is for: by design, found by the fold.
  const quarantined = report.quarantined.filter(({ reason }) => reason !== INAPPLICABLE);
  faults.push(...quarantined.slice(0, MAX_SHOWN).map(({ reason, hex }) => `quarantined: ${reason} ${hex}`));
  if (report.rssPeakMb > report.rssStartMb + MAX_RSS_GROWTH_MB)
    faults.push(`the memory has grown from ${report.rssStartMb} to ${report.rssPeakMb} MB`);
  return faults;
}
