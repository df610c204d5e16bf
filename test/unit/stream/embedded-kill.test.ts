import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { waitFor } from '../../support/wait.ts';
import { LogFolder } from './log-folder.ts';

const WRITER = join(import.meta.dirname, 'embedded-writer.ts');
const ROUNDS = 5;
const MOST_DURABLE = 150;

let folder: LogFolder;
let writers: ChildProcess[];

beforeEach(() => {
  folder = new LogFolder();
  writers = [];
});

afterEach(async () => {
  for (const writer of writers) writer.kill('SIGKILL');
  await folder.remove();
});

interface Started {
  writer: ChildProcess;
  lines: string[];
  /** How many of them are of durable records: a slow disk lets through many droppable ones for each. */
  durable(): number;
  ended: Promise<unknown>;
}

function startWriter(round: number): Started {
  const writer = spawn(process.execPath, [WRITER, folder.file, String(round)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  writers.push(writer);
  const lines: string[] = [];
  let durable = 0;
  const reader = createInterface({ input: writer.stdout! });
  reader.on('line', (line) => {
    lines.push(line);
    if (line.split(' ').length === 3) durable++;
  });
  // The lines that were in the pipe when the process died count: they had been acknowledged.
  const ended = Promise.all([once(writer, 'exit'), once(reader, 'close')]);
  return { writer, lines, durable: () => durable, ended };
}

describe('the embedded log and its process', () => {
  it('keeps every acknowledged record when the process is killed at a random moment', async () => {
    const acked = new Map<string, string>();
    let lastDroppable = -1;
    for (let round = 0; round < ROUNDS; round++) {
      const { writer, lines, durable, ended } = startWriter(round);
      const enough = 20 + Math.floor(Math.random() * MOST_DURABLE);
      await waitFor(() => durable() >= enough, { timeoutMs: 120_000, intervalMs: 1 });
      writer.kill('SIGKILL');
      await ended;
      for (const line of lines) {
        const [partition, offset, text] = line.split(' ') as [string, string, string?];
        if (text === undefined) {
          if (Number(offset) <= lastDroppable) throw new Error(`offset ${offset} was given again`);
          lastDroppable = Number(offset);
        } else {
          if (acked.has(`${partition}/${offset}`)) throw new Error(`offset ${offset} was given twice`);
          acked.set(`${partition}/${offset}`, text);
        }
      }
      const found = await readAll();
      expect([...acked].filter(([place, text]) => found.get(place) !== text)).toEqual([]);
    }
    expect(acked.size).toBeGreaterThan(ROUNDS * 10);
  });

  it('lets nobody else in while it lives, and the next one in after kill -9', async () => {
    const first = startWriter(0);
    await waitFor(() => first.lines.length > 0, { timeoutMs: 30_000 });
    await expect(folder.open()).rejects.toMatchObject({ type: 'STREAM_LOCKED' });
    const second = startWriter(1);
    await second.ended;
    expect(second.lines).toEqual(['STREAM_LOCKED']);
    expect(second.writer.exitCode).toBe(1);
    const before = first.lines.length;
    await waitFor(() => first.lines.length > before, {
      timeoutMs: 30_000,
      what: 'the first process goes on',
    });
    first.writer.kill('SIGKILL');
    await first.ended;
    const stream = await folder.open();
    expect(await stream.listTopics()).toEqual(['doc', 'awareness']);
  });
});

/** All records by `partition/offset`; fails when the offsets of a partition have holes. */
async function readAll(): Promise<Map<string, string>> {
  const stream = await folder.open();
  const found = new Map<string, string>();
  for (let partition = 0; partition < 4; partition++) {
    const toOffset = await stream.endOffset({ topic: 'doc', partition });
    const range = { topic: 'doc', partition, fromOffset: 0, toOffset, maxBytes: Infinity };
    const { records } = await stream.read(range);
    expect(records.map(({ offset }) => offset)).toEqual(records.map((_, at) => at));
    expect(records).toHaveLength(toOffset);
    for (const { offset, value } of records)
      found.set(`${partition}/${offset}`, Buffer.from(value).toString().trim());
  }
  await stream.close();
  return found;
}
