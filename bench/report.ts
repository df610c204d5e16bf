import { cpus, totalmem } from 'node:os';
import type { Measurement } from './measure.ts';
import { SCENARIOS } from './scenarios.ts';
import { SYSTEMS } from './systems.ts';

const BEGIN = '<!-- measured: written by `npm run bench` -->';
const END = '<!-- end of measured -->';

const COLUMNS: readonly [title: string, cell: (row: Measurement) => string][] = [
  ['system', ({ system }) => SYSTEMS.find(({ name }) => name === system)?.title ?? system],
  ['deliveries/s', ({ deliveriesPerSecond }) => Math.round(deliveriesPerSecond).toLocaleString('en')],
  ['p50 ms', ({ p50Ms }) => digits(p50Ms)],
  ['p95 ms', ({ p95Ms }) => digits(p95Ms)],
  ['p99 ms', ({ p99Ms }) => digits(p99Ms)],
  ['server CPU s / 100k', ({ cpuPer100k }) => digits(cpuPer100k)],
  ['peak memory MB', ({ peakMemoryMb }) => String(Math.round(peakMemoryMb))],
  ['server CPU %', ({ serverCpuPercent }) => String(Math.round(serverCpuPercent))],
  ['beside it CPU %', ({ helperCpuPercent }) => describeHelpers(helperCpuPercent)],
  ['load CPU %', ({ loadCpuPercent }) => String(Math.round(loadCpuPercent))],
  ['missing', ({ missing, troubles }) => describeTroubles(missing, troubles)],
];

const digits = (value: number) =>
  Number.isFinite(value) ? value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0) : '–';

const describeHelpers = (helpers: Record<string, number>) =>
  Object.entries(helpers)
    .map(([name, percent]) => `${name} ${Math.round(percent)}`)
    .join(', ') || '–';

const describeTroubles = (missing: number, troubles: Record<string, number>) =>
  [String(missing), ...Object.entries(troubles).map(([what, count]) => `${what} ×${count}`)].join(', ');

/** A table for a person at a terminal. */
export function textTable(rows: readonly Measurement[]): string {
  const cells = [COLUMNS.map(([title]) => title), ...rows.map((row) => COLUMNS.map(([, cell]) => cell(row)))];
  const widths = COLUMNS.map((_, column) => Math.max(...cells.map((line) => line[column]!.length)));
  return cells
    .map((line) =>
      line
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)))
        .join('  '),
    )
    .join('\n');
}

/** The measured part of RESULTS.md, between its two marks. */
export function markdownSection(rows: readonly Measurement[], how: string): string {
  const header = COLUMNS.map(([title]) => title);
  const lines = [BEGIN, '', machine(), '', how, ''];
  for (const scenario of SCENARIOS) {
    const found = rows.filter((row) => row.scenario === scenario.name);
    if (found.length === 0) continue;
    lines.push(`### ${scenario.title}`, '', `| ${header.join(' | ')} |`);
    lines.push(`|${header.map((_, column) => (column === 0 ? '---' : '--:')).join('|')}|`);
    for (const row of found) lines.push(`| ${COLUMNS.map(([, cell]) => cell(row)).join(' | ')} |`);
    lines.push('');
  }
  lines.push(END);
  return lines.join('\n');
}

/** Puts the section in the place of the one before, or at the end. */
export function replaceSection(document: string, section: string): string {
  const from = document.indexOf(BEGIN);
  const to = document.indexOf(END);
  if (from < 0 || to < 0) return `${document.trimEnd()}\n\n${section}\n`;
  return document.slice(0, from) + section + document.slice(to + END.length);
}

function machine(): string {
  const [cpu] = cpus();
  const memoryGb = Math.round(totalmem() / 1024 ** 3);
  return `Machine: ${cpus().length} cores (${cpu?.model.trim() ?? 'unknown'}), ${memoryGb} GB, Node ${process.version}, ${process.platform}; ${new Date().toISOString().slice(0, 10)}.`;
}
