import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import * as Y from 'yjs';
import { ProtocolManager } from '../../../lib/provider/index.ts';
import { readTrace } from '../../../scripts/lib/trace.ts';
import { ControlRoom, type ControlReport } from '../../fuzz/control-room.ts';
import { waitFor } from '../wait.ts';
import type { CrowdReport } from './crowd.ts';
import { MemoryWatch } from './memory-watch.ts';
import type { ReadersReport } from './readers.ts';

export interface BigDocumentOptions {
  url: string;
  /** Processes of the server by name. */
  pids: ReadonlyMap<string, number>;
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
}

const MB = 1024 ** 2;
const PAPER = join(import.meta.dirname, '../../data/automerge-paper.json.gz');
const ROOM = 'big';
const PARAGRAPH_CHARACTERS = 1_000;
const UPDATE_MB = 5;
const TYPE_EVERY_MS = 100;
const CONTROL_EVERY_MS = 25;
const ALONE_MS = 8_000;
const LIMIT_MS = 240_000;

/** A document of real text, written in updates of 5 MB, then opened by everybody at once while its writer goes on. */
export async function openBigDocument(options: BigDocumentOptions): Promise<BigDocumentReport> {
  const { url, pids, thinClients, realClients } = options;
  const memory = new MemoryWatch(pids);
  const complaints: string[] = [];
  const manager = new ProtocolManager({ url, roomId: ROOM });
  for (const name of ['update-refused', 'update-failed', 'document-replaced', 'connection-error'] as const)
    manager.on(name, (event) => complaints.push(`${name} ${JSON.stringify(event).slice(0, 500)}`));
  const doc = new Y.Doc();
  manager.addDoc(doc, { docId: 'text' });
  let typing: NodeJS.Timeout | undefined;
  let room: ControlRoom | undefined;
  try {
    const startedMs = performance.now();
    const updates = await write(manager, doc, options.documentMb);
    const uploadSeconds = Math.round((performance.now() - startedMs) / 1000);
    const documentMb = Math.round(Y.encodeStateAsUpdate(doc).byteLength / MB);
    const uploadPeakSumMb = memory.peakSumMb;

    room = new ControlRoom(url, 'other-room-1');
    await room.start(CONTROL_EVERY_MS);
    await new Promise((resolve) => setTimeout(resolve, ALONE_MS)); // so long it is measured
    const controlAlone = await room.stop();

    memory.restart();
    room = new ControlRoom(url, 'other-room-2');
    await room.start(CONTROL_EVERY_MS);
    let typedMeanwhile = 0;
    typing = setInterval(() => {
      doc.getText('t').insert(doc.getText('t').length, 'typed meanwhile ');
      typedMeanwhile++;
    }, TYPE_EVERY_MS);
    const crowd = runChild<CrowdReport>('crowd.ts', url, thinClients);
    const readers = runChild<ReadersReport>('readers.ts', url, realClients);
    const reports = await Promise.all([crowd.report(), readers.report()]);
    clearInterval(typing);
    const controlMeanwhile = await room.stop();
    memory.stop();
    await waitFor(() => !manager.hasUnackedChanges, { timeoutMs: LIMIT_MS });
    const text = doc.getText('t').toString();
    const digests = await readers.ask<string[]>(`${text.length}\n`);
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
    };
  } finally {
    clearInterval(typing);
    room?.close();
    memory.stop();
    manager.destroy();
    for (const child of children.splice(0)) child.kill('SIGKILL');
  }
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

/** One of the processes beside this file. Each line that it prints is an answer. */
function runChild<Report>(script: string, url: string, clients: number) {
  const child = spawn(
    process.execPath,
    [
      '--disable-warning=ExperimentalWarning',
      join(import.meta.dirname, script),
      ...['--url', url, '--room', ROOM, '--clients', String(clients)],
    ],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  children.push(child);
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  const next = async (): Promise<unknown> => {
    await waitFor(() => lines.length > 0 || child.exitCode !== null, { timeoutMs: LIMIT_MS, what: script });
    const line = lines.shift();
    if (line === undefined) throw new Error(`${script} ended with ${child.exitCode}.`);
    return JSON.parse(line);
  };
  return {
    report: () => next() as Promise<Report>,
    ask: <Answer>(question: string) => {
      child.stdin.write(question);
      return next() as Promise<Answer>;
    },
  };
}
