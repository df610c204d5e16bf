/** A reader of Prometheus' text format 0.0.4 that shares no code with its writer; throws at the first line that breaks it. */
export interface Exposed {
  types: Map<string, string>;
  samples: { name: string; labels: Record<string, string>; value: number }[];
}

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const LABEL = `[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\\\\n]|\\\\["\\\\n])*"`;
const SAMPLE = new RegExp(`^(${NAME})(?:\\{(${LABEL}(?:,${LABEL})*)?,?\\})? (\\S+)(?: -?\\d+)?$`);
const SUFFIXES: Record<string, RegExp> = { histogram: /_(bucket|sum|count)$/, summary: /_(sum|count)$/ };

export function parseExposition(text: string): Exposed {
  const types = new Map<string, string>();
  const helped = new Set<string>();
  const samples: Exposed['samples'] = [];
  const seen = new Set<string>();
  if (!text.endsWith('\n')) throw new Error('the last line has no end');
  for (const line of text.split('\n')) {
    if (line === '') continue;
    if (line.startsWith('#')) takeComment(line, { types, helped });
    else {
      const sample = readSample(line);
      if (!types.has(familyOf(sample.name, types))) throw new Error(`sample before its TYPE: ${line}`);
      const series = `${sample.name}${JSON.stringify(Object.entries(sample.labels).sort())}`;
      if (seen.has(series)) throw new Error(`series twice: ${line}`);
      seen.add(series);
      samples.push(sample);
    }
  }
  for (const name of types.keys()) if (!helped.has(name)) throw new Error(`no HELP: ${name}`);
  return { types, samples };
}

function takeComment(
  line: string,
  { types, helped }: { types: Map<string, string>; helped: Set<string> },
): void {
  const [, kind, name, rest = ''] = /^# (HELP|TYPE) (\S+) ?(.*)$/.exec(line) ?? [];
  if (!name || !new RegExp(`^${NAME}$`).test(name)) throw new Error(`bad comment: ${line}`);
  if (kind === 'HELP') {
    if (helped.has(name)) throw new Error(`HELP twice: ${name}`);
    helped.add(name);
    return;
  }
  if (types.has(name)) throw new Error(`TYPE twice: ${name}`);
  if (!/^(counter|gauge|histogram|summary|untyped)$/.test(rest)) throw new Error(`bad type: ${line}`);
  types.set(name, rest);
}

function readSample(line: string): Exposed['samples'][number] {
  const found = SAMPLE.exec(line);
  if (!found) throw new Error(`bad sample: ${line}`);
  const labels: Record<string, string> = {};
  for (const [, label, value] of (found[2] ?? '').matchAll(/([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g)) {
    if (label! in labels) throw new Error(`label twice: ${line}`);
    labels[label!] = value!;
  }
  const value = found[3] === '+Inf' ? Infinity : found[3] === 'Nan' ? NaN : Number(found[3]);
  if (Number.isNaN(value) && !/^nan$/i.test(found[3]!)) throw new Error(`bad value: ${line}`);
  return { name: found[1]!, labels, value };
}

/** The name in the TYPE line: without the suffix that histograms and summaries add. */
function familyOf(name: string, types: Map<string, string>): string {
  if (types.has(name)) return name;
  for (const [type, suffix] of Object.entries(SUFFIXES)) {
    const family = name.replace(suffix, '');
    if (types.get(family) === type) return family;
  }
  return name;
}
