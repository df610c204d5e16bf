import { METRICS } from '../../lib/metrics.ts';
import { METRIC_PREFIX } from '../../lib/metrics/prometheus.ts';

const BEGIN = '<!-- metrics -->';
const END = '<!-- /metrics -->';
/** A label with more values than this is named only. */
const SHOWN_VALUES = 5;

/** The project's own metrics as a Markdown table, one row for each. */
export function metricsTable(): string {
  const rows = Object.entries(METRICS).map(([name, metric]) => {
    const labels = Object.entries('labels' in metric ? metric.labels : {})
      .map(([label, values]) =>
        values.length > SHOWN_VALUES ? `\`${label}\`` : `\`${label}\`: ${values.join(', ')}`,
      )
      .join('; ');
    return `| \`${METRIC_PREFIX}${name}\` | ${metric.type} | ${labels} | ${metric.help} |`;
  });
  return ['| name | type | labels | meaning |', '| --- | --- | --- | --- |', ...rows].join('\n');
}

/** The page with its table between the markers replaced. */
export function replaceMetricsTable(page: string, table: string): string {
  const [before, rest] = page.split(BEGIN) as [string, string];
  const after = rest.split(END)[1]!;
  return `${before}${BEGIN}\n\n${table}\n\n${END}${after}`;
}
