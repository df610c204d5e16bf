import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { configTable, replaceConfigTable } from './lib/config-table.ts';

/** Writes the README's table of settings from the schema: `node scripts/config-table.ts`. */
const file = join(import.meta.dirname, '../README.md');
await writeFile(file, replaceConfigTable(await readFile(file, 'utf8'), configTable()));
