import { createHash, randomBytes } from 'node:crypto';
import { cpSync, linkSync, mkdirSync, readdirSync } from 'node:fs';
import { access, mkdir, readFile, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import { createPostgresStore } from '../../lib/store/postgres.ts';

const ROOT = join(import.meta.dirname, '../..');
const KEPT = join(ROOT, '.cache/databases');
const UNFINISHED = 'unfinished-';
/** What decides how a new database looks. */
const SOURCES = [
  'lib/store/migrations',
  'lib/store/migrate.ts',
  'node_modules/@electric-sql/pglite/package.json',
];

/**
 * Puts an embedded database as a first start makes it into the data folder, unless it has one. A copy takes a tenth of
 * the time that making one takes; the tests of the store and of `npm start` make theirs.
 */
export async function fillDatabaseFolder(dataDir: string): Promise<void> {
  const folder = join(dataDir, 'db');
  if (await exists(folder)) return;
  copyDatabase(await databaseTemplate(), folder);
}

/** Folders of which all copies share the files: the databases template1 and template0, which nobody connects to. */
export const SHARED_FOLDERS = ['base/1', 'base/4'] as const;

/**
 * What a copy costs is the making of a thousand files, several at once still more, and two thirds of them are never
 * written. So those are links, and the others are copied one after the other.
 */
function copyDatabase(from: string, to: string): void {
  mkdirSync(join(to, 'base'), { recursive: true });
  const folders = readdirSync(join(from, 'base')).map((name) => `base/${name}`);
  for (const name of [...readdirSync(from), ...folders]) {
    if (name === 'base') continue;
    const isShared = SHARED_FOLDERS.some((shared) => shared === name);
    if (!isShared || !linkFiles(join(from, name), join(to, name)))
      cpSync(join(from, name), join(to, name), { recursive: true });
  }
}

/** False when there are no links from one to the other, as between two file systems. */
function linkFiles(from: string, to: string): boolean {
  mkdirSync(to);
  try {
    for (const name of readdirSync(from)) linkSync(join(from, name), join(to, name));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
    return false;
  }
}

let made: Promise<string> | undefined;

/** The folder to copy; made by the first that asks, in this process or another. */
export const databaseTemplate = (): Promise<string> => (made ??= findTemplate());

async function findTemplate(): Promise<string> {
  const name = await hashOfSources();
  const found = join(KEPT, name);
  if (await exists(found)) return found;
  await mkdir(KEPT, { recursive: true });
  // Not the one that another process has finished since the look above: it is being copied.
  for (const old of await readdir(KEPT))
    if (old !== name && !old.startsWith(UNFINISHED))
      await rm(join(KEPT, old), { recursive: true, force: true });
  const unfinished = join(KEPT, UNFINISHED + randomBytes(6).toString('hex'));
  const store = await createPostgresStore({
    dataDir: unfinished,
    logger: silentLogger,
    clock: systemClock,
  });
  await store.prepare();
  await store.close();
  await rename(unfinished, found).catch(async (error: unknown) => {
    // Another process was as quick.
    await rm(unfinished, { recursive: true, force: true });
    if (!(await exists(found))) throw error;
  });
  return found;
}

async function hashOfSources(): Promise<string> {
  const hash = createHash('sha256');
  for (const source of SOURCES) {
    const path = join(ROOT, source);
    const isFile = /\.\w+$/.test(source);
    const files = isFile ? [path] : (await readdir(path)).sort().map((name) => join(path, name));
    for (const file of files) hash.update(await readFile(file));
  }
  return hash.digest('hex').slice(0, 16);
}

const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false, // absent, or not ours to read: then making it says why
  );
