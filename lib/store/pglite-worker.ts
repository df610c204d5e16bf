import { parentPort, workerData } from 'node:worker_threads';
import { PGlite } from '@electric-sql/pglite';
import { lowerThreadPriority } from '../thread-priority.ts';
import { READY_ID, type ThreadAnswer, type ThreadTask, type ThreadWork } from './pglite-thread.ts';

/** Clients wait for the log, not for what is stored from it. */
const DATABASE_NICE = 5;

/* Runs in a thread of its own: the database of the folder in `workerData`, one piece of work after the other. */
lowerThreadPriority(DATABASE_NICE);
const port = parentPort!;
const db = await PGlite.create((workerData as { dataDir?: string }).dataDir ?? 'memory://');

async function run(work: ThreadWork): Promise<Uint8Array<ArrayBuffer> | undefined> {
  if (work.kind === 'rollback') await db.exec('ROLLBACK');
  if (work.kind === 'close') await db.close();
  if (work.kind !== 'execute') return undefined;
  const answers: Uint8Array[] = [];
  // The view is on memory that the next statement writes to.
  const onRawData = (data: Uint8Array) => void answers.push(data.slice());
  await db.execProtocolRawStream(work.messages, { onRawData });
  return answers.length === 1 && isWhole(answers[0]!) ? answers[0] : joined(answers);
}

const isWhole = (bytes: Uint8Array): bytes is Uint8Array<ArrayBuffer> =>
  bytes.byteLength === bytes.buffer.byteLength;

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.byteLength;
  }
  return bytes;
}

async function answer({ id, work }: ThreadTask): Promise<void> {
  let said: ThreadAnswer;
  try {
    said = { id, output: await run(work) };
  } catch (error) {
    said = { id, failure: String(error) };
  }
  port.postMessage(said, 'output' in said && said.output ? [said.output.buffer] : []);
}

let turn: Promise<void> = Promise.resolve();
port.on('message', (task: ThreadTask) => {
  turn = turn.then(() => answer(task));
});
port.postMessage({ id: READY_ID, output: undefined } satisfies ThreadAnswer);
