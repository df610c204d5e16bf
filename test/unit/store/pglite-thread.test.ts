import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../../lib/clock.ts';
import { PgliteThread } from '../../../lib/store/pglite-thread.ts';
import { databaseTemplate, fillDatabaseFolder, SHARED_FOLDERS } from '../../support/database-folder.ts';

const parts = { answerLimitMs: 60_000, clock: systemClock };
const START_LIMIT_MS = 60_000;

/** A statement as PostgreSQL's protocol has it. */
function statement(sql: string): Uint8Array {
  const message = Buffer.alloc(6 + Buffer.byteLength(sql));
  message.write('Q');
  message.writeInt32BE(message.length - 1, 1);
  message.write(sql, 5);
  return message;
}

/** When each of the files that all test databases share was written, and how long it is. */
async function sharedFiles(): Promise<string[]> {
  const found: string[] = [];
  const template = await databaseTemplate();
  for (const folder of SHARED_FOLDERS.map((name) => join(template, name)))
    for (const name of await readdir(folder)) {
      const { mtimeMs, size } = await stat(join(folder, name));
      found.push(`${join(folder, name)} ${mtimeMs} ${size}`);
    }
  return found;
}

describe('a PGlite in a thread of its own', () => {
  let parent: string;
  let dataDir: string;

  beforeAll(async () => {
    parent = await mkdtemp(join(tmpdir(), 'ykafka-pglite-'));
    dataDir = join(parent, 'db');
    await fillDatabaseFolder(parent);
  });

  afterAll(() => rm(parent, { recursive: true, force: true }));

  it(
    'answers in order, closes once, and refuses what is asked afterwards',
    async () => {
      const thread = await PgliteThread.open({ ...parts, dataDir });
      const unfinished = [thread.rollback(), thread.rollback()];
      const closed = thread.close();
      expect(thread.closed).toBe(true);
      await expect(Promise.all(unfinished)).resolves.toHaveLength(2);
      await expect(thread.execute(new Uint8Array(1))).rejects.toMatchObject({ type: 'STORE_UNAVAILABLE' });
      await closed;
      await thread.close();
    },
    START_LIMIT_MS,
  );

  it(
    'does not write into the files that all test databases share',
    async () => {
      const before = await sharedFiles();
      const thread = await PgliteThread.open({ ...parts, dataDir });
      const sql = [
        'create table letters (letter text)',
        "insert into letters values ('a')",
        'vacuum',
        'checkpoint',
      ];
      for (const one of sql) {
        const answer = Buffer.from(await thread.execute(statement(one))).toString('latin1');
        expect(answer).toContain(one.split(' ')[0]!.toUpperCase());
      }
      await thread.close();
      expect(before.length).toBeGreaterThan(500);
      expect(await sharedFiles()).toEqual(before);
    },
    START_LIMIT_MS,
  );

  it(
    'is given up when it has not answered for long, not when the whole process has paused',
    async () => {
      const due: (() => void)[] = [];
      const setTimeout = (callback: () => void) => {
        due.push(callback);
        return { cancel: () => void due.splice(due.indexOf(callback) >>> 0, 1) };
      };
      const thread = await PgliteThread.open({ ...parts, dataDir, clock: { ...systemClock, setTimeout } });
      const first = thread.rollback();
      due.shift()!(); // all that is due after a pause, however long it was
      await expect(first).resolves.toBeUndefined();
      const second = thread.rollback();
      const lost = expect(second).rejects.toMatchObject({ type: 'STORE_UNAVAILABLE' });
      while (due.length > 0) due.shift()!();
      await lost;
      expect(thread.closed).toBe(true);
      await thread.ended;
    },
    START_LIMIT_MS,
  );

  it(
    'says that a folder cannot be opened',
    async () => {
      const folder = await mkdtemp(join(tmpdir(), 'ykafka-pglite-'));
      try {
        await writeFile(join(folder, 'PG_VERSION'), 'none');
        await expect(PgliteThread.open({ dataDir: folder, ...parts })).rejects.toMatchObject({
          type: 'STORE_UNAVAILABLE',
        });
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
    START_LIMIT_MS,
  );
});
