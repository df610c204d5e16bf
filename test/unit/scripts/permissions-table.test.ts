import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { permissionsTables } from '../../../scripts/lib/permissions-table.ts';

const words = (text: string) => text.replace(/[-\s]+/g, ' ').trim();

it('docs/permissions.md says what the rules say (node scripts/config-table.ts writes it)', () => {
  const page = words(readFileSync(join(import.meta.dirname, '../../../docs/permissions.md'), 'utf8'));
  const tables = permissionsTables();
  expect(tables.split('\n').length).toBeGreaterThan(50);
  expect(page).toContain(words(tables));
});
