import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { CONFIG_SCHEMA } from '../../../lib/config.ts';
import { configTable } from '../../../scripts/lib/config-table.ts';

/** Markdown formatters pad cells; the words decide. */
const words = (text: string) => text.replace(/\s+/g, ' ').replace(/-{3,}/g, '---');

it('README lists every setting with its default and meaning (node scripts/config-table.ts writes it)', () => {
  const readme = readFileSync(join(import.meta.dirname, '../../../README.md'), 'utf8');
  expect(Object.keys(CONFIG_SCHEMA).length).toBeGreaterThan(20);
  for (const row of configTable().split('\n')) expect(words(readme)).toContain(words(row));
});
