import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { metricsTable } from '../../../scripts/lib/metrics-table.ts';

/** Markdown formatters pad cells; the words decide. */
const words = (text: string) => text.replace(/\s+/g, ' ').replace(/-{3,}/g, '---');

const page = readFileSync(join(import.meta.dirname, '../../../docs/metrics.md'), 'utf8');

it('docs/metrics.md lists every metric (node scripts/config-table.ts writes it)', () => {
  for (const row of metricsTable().split('\n')) expect(words(page)).toContain(words(row));
});

it('docs/metrics.md names no metric that does not exist', () => {
  const listed = new Set([...metricsTable().matchAll(/`(ykafka_\w+)`/g)].map(([, name]) => name));
  const named = [...page.matchAll(/\b(ykafka_\w+)/g)].map(([, name]) => name!);
  expect(named.length).toBeGreaterThan(listed.size);
  expect(named.filter((name) => name !== 'ykafka_' && !listed.has(name))).toEqual([]);
});
