import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createInterface } from 'node:readline';
import { getPriority, setPriority } from 'node:os';
import { join } from 'node:path';
import * as Y from 'yjs';
import { ProtocolManager } from '../../../lib/provider/index.ts';
import { readTrace } from '../../../scripts/lib/trace.ts';
import type { ControlReport } from '../../fuzz/control-room.ts';
import { waitFor } from '../wait.ts';
import { addCrowds, type CrowdReport } from './crowd-report.ts';
import { readEventLoops, type EventLoopDelays } from './event-loops.ts';
import { MemoryWatch } from './memory-watch.ts';
import type { ReadersReport } from './readers.ts';

export interface BigDocumentOptions {
  url: string;
  /** Processes of the server by name, and where each tells its metrics. */
  pids: ReadonlyMap<string, number>;
  metricsUrls: ReadonlyMap<string, string>;
  documentMb: number;
  thinClients: number;
  realClients: number;
}

export interface BigDocumentReport {
  /** Of the whole state as one update. */
  documentMb: number;
  updates: number;
  uploadSeconds: number;
  crowd: CrowdReport;
  readers: ReadersReport;
  /** Whether the real clients have what the writer has, with all that was typed meanwhile. */
  isEqual: boolean;
  typedMeanwhile: number;
  complaints: string[];
  startMb: Record<string, number>;
  peakMb: Record<string, number>;
  startSumMb: number;
  peakSumMb: number;
  uploadPeakSumMb: number;
  controlAlone: ControlReport;
  controlMeanwhile: ControlReport;
  eventLoopsAlone: EventLoopDelays;
  eventLoopsMeanwhile: EventLoopDelays;
}

const MB = 1024 ** 2;
const PAPER = join(import.meta.dirname, '../../data/automerge-paper.json.gz');
const ROOM = 'big';
const PARAGRAPH_CHARACTERS = 1_000;
const UPDATE_MB = 5;
const TYPE_EVERY_MS = 100;
const ALONE_MS = 8_000;
const LIMIT_MS = 240_000;
/** More in one process wait for its hashing, and a heartbeat waits with them. */
const THIN_CLIENTS_A_PROCESS = 50;
/** The crowd stands for other machines: where it shares the server's, it gives way to what is measured. */
const CROWD_NICENESS = 15;

/** A document of real text, written in updates of 5 MB, then opened by everybody at once while its writer goes on. */
export async function openBigDocument(options: BigDocumentOptions): Promise<BigDocumentReport> {
  const { url, pids, metricsUrls, thinClients, realClients } = options;
  const memory = new MemoryWatch(pids);
  const complaints: string[] = [];
  const manager = new ProtocolManager({ url, roomId: ROOM });
  for (const name of ['update-refused', 'update-failed', 'document-replaced', 'connection-error'] as const)
    manager.on(name, (event) => complaints.push(`${name} ${JSON.stringify(event).slice(0, 500)}`));
  const doc = new Y.Doc();
  manager.addDoc(doc, { docId: 'text' });
  let typing: NodeJS.Timeout | undefined;
  try {
    const startedMs = performance.now();
    const updates = await write(manager, doc, options.documentMb);
    const uploadSeconds = Math.round((performance.now() - startedMs) / 1000);
    const documentMb = Math.round(Y.encodeStateAsUpdate(doc).byteLength / MB);
    const uploadPeakSumMb = memory.peakSumMb;

    const alone = await openOtherRoom(url, 'other-room-1');
    await readEventLoops(metricsUrls); // the window begins with it
    await new Promise((resolve) => setTimeout(resolve, ALONE_MS)); // so long it is measured
    const eventLoopsAlone = await readEventLoops(metricsUrls);
    const controlAlone = await alone.end();

    const meanwhile = await openOtherRoom(url, 'other-room-2');
    memory.restart();
    await readEventLoops(metricsUrls);
    let typedMeanwhile = 0;
    typing = setInterval(() => {
      doc.getText('t').insert(doc.getText('t').length, 'typed meanwhile ');
      typedMeanwhile++;
    }, TYPE_EVERY_MS);
    const crowds = Array.from({ length: Math.ceil(thinClients / THIN_CLIENTS_A_PROCESS) }, (_, index) => {
      const clients = Math.min(THIN_CLIENTS_A_PROCESS, thinClients - index * THIN_CLIENTS_A_PROCESS);
      const args = ['--url', url, '--room', ROOM, '--clients', String(clients), '--name', String(index)];
      return runChild('crowd.ts', args, CROWD_NICENESS);
    });
    const readers = runChild(
      'readers.ts',
      ['--url', url, '--room', ROOM, '--clients', String(realClients)],
      CROWD_NICENESS,
    );
    const reports = await Promise.all([
      Promise.all(crowds.map((crowd) => crowd.next<CrowdReport>())).then(addCrowds),
      readers.next<ReadersReport>(),
    ]);
    clearInterval(typing);
    const eventLoopsMeanwhile = await readEventLoops(metricsUrls);
    const controlMeanwhile = await meanwhile.end();
    memory.stop();
    await waitFor(() => !manager.hasUnackedChanges, { timeoutMs: LIMIT_MS });
    const text = doc.getText('t').toString();
    readers.say(String(text.length));
    const digests = await readers.next<string[]>();
    const own = createHash('sha256').update(text).digest('hex');
    return {
      documentMb,
      updates,
      uploadSeconds,
      crowd: reports[0],
      readers: reports[1],
      isEqual: digests.length === realClients && digests.every((digest) => digest === own),
      typedMeanwhile,
      complaints,
      startMb: memory.startMb,
      peakMb: memory.peakMb,
      startSumMb: memory.startSumMb,
      peakSumMb: memory.peakSumMb,
      uploadPeakSumMb,
      controlAlone,
      controlMeanwhile,
      eventLoopsAlone,
      eventLoopsMeanwhile,
    };
  } finally {
    clearInterval(typing);
    memory.stop();
    manager.destroy();
    for (const child of children.splice(0)) child.kill('SIGKILL');
  }
}

/** Two people in another room, in a process of their own: what they wait for is the server, not this process. */
async function openOtherRoom(url: string, roomId: string) {
  const child = runChild('other-room.ts', ['--url', url, '--room', roomId]);
  await child.next<string>();
  return {
    end: () => {
      child.say('end');
      return child.next<ControlReport>();
    },
  };
}

/** Paragraphs of the paper at random places, 5 MB in a transaction: many structs, as in a document that was typed. */
async function write(manager: ProtocolManager, doc: Y.Doc, documentMb: number): Promise<number> {
  const { endContent } = await readTrace(PAPER);
  const text = doc.getText('t');
  let updates = 0;
  let at = 0;
  await waitFor(() => manager.documentState('text')?.isSynced, { timeoutMs: LIMIT_MS, what: 'a writer' });
  for (; updates < documentMb / UPDATE_MB; updates++) {
    doc.transact(() => {
      for (let bytes = 0; bytes < UPDATE_MB * MB; bytes += PARAGRAPH_CHARACTERS) {
        const paragraph = endContent.slice(at, at + PARAGRAPH_CHARACTERS);
        at = (at + PARAGRAPH_CHARACTERS) % (endContent.length - PARAGRAPH_CHARACTERS);
        text.insert(updates % 2 === 0 ? text.length : 0, paragraph);
      }
    });
    await waitFor(() => !manager.hasUnackedChanges, { timeoutMs: LIMIT_MS, what: 'the ack of 5 MB' });
  }
  return updates;
}

const children: ReturnType<typeof spawn>[] = [];

/** One of the processes beside this file, politer than this one by `niceness`. Each line that it prints is an answer. */
function runChild(script: string, args: readonly string[], niceness = 0) {
  const file = join(import.meta.dirname, script);
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', file, ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  if (niceness > 0 && child.pid) setPriority(child.pid, Math.min(19, getPriority() + niceness));
  children.push(child);
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  return {
    async next<Report>(): Promise<Report> {
      await waitFor(() => lines.length > 0 || child.exitCode !== null, { timeoutMs: LIMIT_MS, what: script });
      const line = lines.shift();
      if (line === undefined) throw new Error(`${script} ended with ${child.exitCode}.`);
      return JSON.parse(line) as Report;
    },
    say: (text: string) => void child.stdin.write(`${text}\n`),
  };
}
