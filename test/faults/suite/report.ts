import { readFile, writeFile } from 'node:fs/promises';
import { format, resolveConfig } from 'prettier';
import type { RunResult, StepResult } from './run.ts';

const TITLE = `# Results of the fault suites

What the suites of \`test/faults\` and \`test/sim\` have found, with the commands that repeat it. Written by them.
`;

/** One loss is often told by many violations. */
const MOST_NAMED = 20;

export interface ReportOrigin {
  /** What repeats the run. */
  command: string;
  /** The code that it was of. */
  commit: string;
}

/** A table of a run: what was done how often, and how long the rooms needed. */
export function reportOf(result: RunResult, { command, commit }: ReportOrigin): string {
  const { steps, seed, acked, lost, quarantined, violations, durationMs } = result;
  const kindOf = ({ fault, isDouble }: StepResult) => (isDouble ? 'two faults at once' : fault);
  const kinds = [...new Set(steps.map(kindOf))].sort();
  const kills = sum(steps.map((step) => step.kills));
  const rows = [
    ...kinds.map((kind) =>
      row(
        kind,
        steps.filter((step) => kindOf(step) === kind),
      ),
    ),
  ];
  return [
    `### Seed ${seed}`,
    '',
    `\`${command}\` (commit ${commit}): ${steps.length} faults, ${kills} of them kill -9, in ${Math.round(durationMs / 60_000)} minutes; ` +
      `${acked} updates acked, **${lost} lost**, ${violations.length} violations, ${quarantined} records in quarantine.`,
    '',
    '| kind | times | kills | acked meanwhile | lost | room works again, p50 | max | all runs again, p50 |',
    '| --- | --: | --: | --: | --: | --: | --: | --: |',
    ...rows,
    row('**all**', steps),
    ...(violations.length > 0
      ? ['', ...violations.slice(0, MOST_NAMED).map((violation) => `- ${violation}`)]
      : []),
    '',
  ].join('\n');
}

function row(kind: string, steps: readonly StepResult[]): string {
  const works = steps.map(({ worksAgainMs }) => worksAgainMs);
  const repaired = steps.map(({ repairedMs }) => repairedMs);
  const cells = [
    kind,
    steps.length,
    sum(steps.map(({ kills }) => kills)),
    sum(steps.map(({ acked }) => acked)),
    Math.max(0, ...steps.map(({ lost }) => lost)),
    seconds(median(works)),
    seconds(Math.max(0, ...works)),
    seconds(median(repaired)),
  ];
  return `| ${cells.join(' | ')} |`;
}

/** Puts the section into the file, in place of an earlier one of the same name; the other sections stay. */
export async function writeSection(file: string, name: string, section: string): Promise<void> {
  const text = await readFile(file, 'utf8').catch(() => TITLE);
  const options = await resolveConfig(file);
  await writeFile(file, await format(withSection(text, name, section), { ...options, parser: 'markdown' }));
}

export function withSection(text: string, name: string, section: string): string {
  const [begin, end] = [`<!-- begin: ${name} -->`, `<!-- end: ${name} -->`];
  const block = `${begin}\n\n${section.trim()}\n\n${end}`;
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from < 0 || to < from) return `${text.trimEnd()}\n\n${block}\n`;
  return text.slice(0, from) + block + text.slice(to + end.length);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
