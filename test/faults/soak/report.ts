import type { Kill } from './killer.ts';
import type { Measure } from './measure.ts';

export interface SoakResult {
  command: string;
  minutes: number;
  clients: number;
  rooms: number;
  arrived: number;
  edits: number;
  acked: number;
  lost: number;
  violations: number;
  leftUnsaved: number;
  records: number;
  kills: readonly Kill[];
  before: Measure;
  after: Measure;
  /** When everybody has gone. */
  empty: Measure;
}

/** Markdown of one run. */
export function soakReport(result: SoakResult): string {
  const { before, after, empty, kills } = result;
  const times = kills.map(({ readyAfterMs }) => readyAfterMs / 1000).sort((a, b) => a - b);
  const at = (part: number) =>
    (times[Math.min(times.length - 1, Math.floor(times.length * part))] ?? 0).toFixed(1);
  const byName = new Map<string, number>();
  for (const { process } of kills) byName.set(process, (byName.get(process) ?? 0) + 1);
  const killed = [...byName].sort().map(([name, count]) => `${name} ${count}`);
  const rows: string[][] = [
    ['topics in Kafka', String(before.topics), String(after.topics), String(empty.topics)],
    ['consumer groups in Kafka', String(before.groups), String(after.groups), String(empty.groups)],
    [
      'sessions at PostgreSQL',
      String(before.connections),
      String(after.connections),
      String(empty.connections),
    ],
    ['client connections', String(before.sockets), String(after.sockets), String(empty.sockets)],
    ['rooms with a client, all gateways', String(before.rooms), String(after.rooms), String(empty.rooms)],
  ];
  const processes = before.processes.map(({ name }) => [
    name,
    ...[before, after, empty].map((measured) => describe(measured, name)),
  ]);
  return [
    '## Soak',
    '',
    `\`${result.command}\``,
    '',
    `${result.clients} clients (real providers) in ${result.rooms} rooms over ${result.minutes} minutes; ${result.arrived} came, ${result.arrived - result.clients} went; ${result.edits} edits, ${result.acked} acked updates, ${result.records} records in the log.`,
    `**${result.lost} acked updates lost, ${result.violations} violations.** ${result.leftUnsaved} clients left with something unacked after 30 s of waiting.`,
    `${kills.length} kills (${killed.join(', ')}); ready again after ${at(0.5)} s (median), ${at(1)} s (longest).`,
    '',
    table(['', 'begin', 'end', 'all clients gone'], rows),
    '',
    'Each process: RSS / heap in MB, open handles, p99 of the event loop’s delay in ms, age in s.',
    '',
    table(['process', 'begin', 'end', 'all clients gone'], processes),
  ].join('\n');
}

function describe(measured: Measure, name: string): string {
  const found = measured.processes.find((process) => process.name === name);
  if (!found) return '-';
  const { rssMb, heapMb, handles, eventLoopP99Ms, ageS } = found;
  return `${rssMb.toFixed(0)} / ${heapMb.toFixed(0)}, ${handles}, ${eventLoopP99Ms.toFixed(0)} ms, ${ageS.toFixed(0)} s`;
}

function table(head: readonly string[], rows: readonly string[][]): string {
  const lines = [head, head.map(() => '---'), ...rows];
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
