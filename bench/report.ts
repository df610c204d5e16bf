import { cpus, totalmem } from 'node:os';
import type { Measurement } from './measure.ts';
import type { BackpressureMeasurement } from './backpressure.ts';
import type { PaperMeasurement } from './paper.ts';
import type { PresenceMeasurement } from './presence.ts';
import { SCENARIOS } from './scenarios.ts';
import { SYSTEMS } from './systems.ts';

/** Parts of RESULTS.md that are written each by its own run; what stands around them is kept. */
type Part = 'scenarios' | 'paper' | 'backpressure' | 'presence';

const beginOf = (part: Part) => `<!-- ${part}: written by \`npm run bench\` -->`;
const endOf = (part: Part) => `<!-- end of ${part} -->`;

type Columns<Row> = readonly [title: string, cell: (row: Row) => string][];

const titleOf = (system: string) => SYSTEMS.find(({ name }) => name === system)?.title ?? system;
const thousands = (value: number) => Math.round(value).toLocaleString('en');

const COLUMNS: Columns<Measurement> = [
  ['system', ({ system }) => titleOf(system)],
  ['deliveries/s', ({ deliveriesPerSecond }) => thousands(deliveriesPerSecond)],
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

const PAPER_COLUMNS: Columns<PaperMeasurement> = [
  ['system', ({ system }) => titleOf(system)],
  ['edits', ({ edits }) => thousands(edits)],
  ['seconds', ({ seconds }) => digits(seconds)],
  ['edits/s', ({ editsPerSecond }) => thousands(editsPerSecond)],
  ['server CPU s', ({ serverCpuSeconds }) => digits(serverCpuSeconds)],
  ['peak memory MB', ({ peakMemoryMb }) => thousands(peakMemoryMb)],
  [
    'disk MB',
    ({ diskMb }) =>
      Object.entries(diskMb)
        .map(([name, size]) => `${name} ${Math.round(size)}`)
        .join(', '),
  ],
  ['opened in ms', ({ openMs }) => thousands(openMs)],
];

const BACKPRESSURE_COLUMNS: Columns<BackpressureMeasurement> = [
  ['who behaves badly', ({ title }) => title],
  ['system', ({ system }) => titleOf(system)],
  ['others’ p99 ms without', ({ quietP99Ms }) => quietP99Ms.map(digits).join(' / ')],
  ['with', ({ disturbedP99Ms }) => disturbedP99Ms.map(digits).join(' / ')],
  ['ratio of medians', ({ ratio }) => digits(ratio)],
  ['it sent updates/s', ({ nuisance }) => thousands(nuisance.updatesPerSecond)],
  ['MB/s', ({ nuisance }) => digits(nuisance.mbPerSecond)],
  ['it was told', ({ nuisance }) => describeCounts(nuisance.troubles)],
  ['missing', ({ missing, troubles }) => describeTroubles(missing, troubles)],
  ['peak memory MB', ({ peakMemoryMb }) => thousands(peakMemoryMb)],
];

const describeCounts = (counts: Record<string, number>) =>
  Object.entries(counts)
    .map(([what, count]) => `${what} ×${thousands(count)}`)
    .join(', ') || '–';

const digits = (value: number) =>
  Number.isFinite(value) ? value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0) : '–';

const describeHelpers = (helpers: Record<string, number>) =>
  Object.entries(helpers)
    .map(([name, percent]) => `${name} ${Math.round(percent)}`)
    .join(', ') || '–';

const describeTroubles = (missing: number, troubles: Record<string, number>) =>
  [String(missing), ...Object.entries(troubles).map(([what, count]) => `${what} ×${count}`)].join(', ');

function text<Row>(columns: Columns<Row>, rows: readonly Row[]): string {
  const cells = [columns.map(([title]) => title), ...rows.map((row) => columns.map(([, cell]) => cell(row)))];
  const widths = columns.map((_, column) => Math.max(...cells.map((line) => line[column]!.length)));
  const align = (cell: string, column: number) =>
    column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!);
  return cells.map((line) => line.map(align).join('  ')).join('\n');
}

function markdown<Row>(columns: Columns<Row>, rows: readonly Row[]): string[] {
  return [
    `| ${columns.map(([title]) => title).join(' | ')} |`,
    `|${columns.map((_, column) => (column === 0 ? '---' : '--:')).join('|')}|`,
    ...rows.map((row) => `| ${columns.map(([, cell]) => cell(row)).join(' | ')} |`),
  ];
}

/** Tables for a person at a terminal. */
export const textTable = (rows: readonly Measurement[]) => text(COLUMNS, rows);
export const paperTable = (rows: readonly PaperMeasurement[]) => text(PAPER_COLUMNS, rows);

export const backpressureTable = (rows: readonly BackpressureMeasurement[]) =>
  text(BACKPRESSURE_COLUMNS, rows);

const PRESENCE_COLUMNS: Columns<PresenceMeasurement> = [
  ['y-kafka', ({ title }) => title],
  ['moves/s', ({ movesPerSecond }) => thousands(movesPerSecond)],
  ['cursors seen/s', ({ cursorsPerSecond }) => thousands(cursorsPerSecond)],
  ['messages/s', ({ messagesPerSecond }) => thousands(messagesPerSecond)],
  ['p50 ms', ({ p50Ms }) => digits(p50Ms)],
  ['p95 ms', ({ p95Ms }) => digits(p95Ms)],
  ['p99 ms', ({ p99Ms }) => digits(p99Ms)],
  [
    'by another gateway p50 / p99 ms',
    (row) => [row.p50ElsewhereMs, row.p99ElsewhereMs].map(digits).join(' / '),
  ],
  ['server CPU %', ({ serverCpuPercent }) => thousands(serverCpuPercent)],
  ['beside it CPU %', ({ helperCpuPercent }) => describeHelpers(helperCpuPercent)],
  ['load CPU %', ({ loadCpuPercent }) => thousands(loadCpuPercent)],
  ['peak memory MB', ({ peakMemoryMb }) => thousands(peakMemoryMb)],
  ['troubles', ({ troubles }) => describeCounts(troubles)],
];
export const presenceTable = (rows: readonly PresenceMeasurement[]) => text(PRESENCE_COLUMNS, rows);

export const PRESENCE_TITLE = '100 rooms × 10 people (1,000 connections), each cursor at 10 Hz';
export const BACKPRESSURE_TITLE = 'One that behaves badly, and 100 others in 10 rooms of their own';
export const PAPER_TITLE = 'A paper of 259,778 edits, typed by one real client (automerge-paper)';

/** Writes what was measured into the text of RESULTS.md: a part without measurements stays as it was. */
export function withResults(
  document: string,
  measured: {
    rows: readonly Measurement[];
    papers: readonly PaperMeasurement[];
    backpressure: readonly BackpressureMeasurement[];
    presence: readonly PresenceMeasurement[];
  },
  how: string,
): string {
  const { rows, papers, backpressure, presence } = measured;
  let text = document;
  if (rows.length > 0) {
    const tables = SCENARIOS.flatMap(({ name, title }) => {
      const found = rows.filter(({ scenario }) => scenario === name);
      return found.length > 0 ? [`### ${title}`, '', ...markdown(COLUMNS, found), ''] : [];
    });
    text = replacePart(text, 'scenarios', [machine(), '', how, '', ...tables]);
  }
  if (papers.length > 0) {
    const lines = [`### ${PAPER_TITLE}`, '', machine(), '', ...markdown(PAPER_COLUMNS, papers), ''];
    text = replacePart(text, 'paper', lines);
  }
  if (backpressure.length > 0) {
    const table = markdown(BACKPRESSURE_COLUMNS, backpressure);
    const lines = [`### ${BACKPRESSURE_TITLE}`, '', machine(), '', how, '', ...table, ''];
    text = replacePart(text, 'backpressure', lines);
  }
  if (presence.length > 0) {
    const table = markdown(PRESENCE_COLUMNS, presence);
    text = replacePart(text, 'presence', [`### ${PRESENCE_TITLE}`, '', machine(), '', how, '', ...table, '']);
  }
  return text;
}

/** In the place of the one before, or at the end. */
function replacePart(document: string, part: Part, lines: readonly string[]): string {
  const section = [beginOf(part), '', ...lines, endOf(part)].join('\n');
  const from = document.indexOf(beginOf(part));
  const to = document.indexOf(endOf(part));
  if (from < 0 || to < 0) return `${document.trimEnd()}\n\n${section}\n`;
  return document.slice(0, from) + section + document.slice(to + endOf(part).length);
}

function machine(): string {
  const [cpu] = cpus();
  const memoryGb = Math.round(totalmem() / 1024 ** 3);
  return `Machine: ${cpus().length} cores (${cpu?.model.trim() ?? 'unknown'}), ${memoryGb} GB, Node ${process.version}, ${process.platform}; ${new Date().toISOString().slice(0, 10)}.`;
}
