import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { configTable, replaceConfigTable } from './lib/config-table.ts';
import { metricsTable, replaceMetricsTable } from './lib/metrics-table.ts';
import { permissionsTables, replacePermissionsTables } from './lib/permissions-table.ts';

/** Writes the tables of settings (README), metrics (docs/metrics.md) and permissions (docs/permissions.md) from their lists: `node scripts/config-table.ts`. */
const ROOT = join(import.meta.dirname, '..');

async function rewrite(file: string, change: (page: string) => string): Promise<void> {
  const path = join(ROOT, file);
  await writeFile(path, change(await readFile(path, 'utf8')));
}

await rewrite('README.md', (page) => replaceConfigTable(page, configTable()));
await rewrite('docs/metrics.md', (page) => replaceMetricsTable(page, metricsTable()));
await rewrite('docs/permissions.md', (page) => replacePermissionsTables(page, permissionsTables()));
