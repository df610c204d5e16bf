import { CONFIG_SCHEMA } from '../../lib/config.ts';

const BEGIN = '<!-- configuration -->';
const END = '<!-- /configuration -->';

/** The settings as a Markdown table, one row for each. */
export function configTable(): string {
  const cell = (text: string) => text.replaceAll('|', '\\|');
  const rows = Object.values(CONFIG_SCHEMA).map((setting) => {
    const fallback = Array.isArray(setting.default) ? setting.default.join(',') : String(setting.default);
    const secret = 'secret' in setting ? ' Secret.' : '';
    return `| \`${setting.env}\` | ${fallback === '' ? '' : `\`${cell(fallback)}\``} | ${cell(setting.doc)}${secret} |`;
  });
  return ['| variable | default | meaning |', '| --- | --- | --- |', ...rows].join('\n');
}

/** The README with its table between the markers replaced. */
export function replaceConfigTable(readme: string, table: string): string {
  const [before, rest] = readme.split(BEGIN) as [string, string];
  const after = rest.split(END)[1]!;
  return `${before}${BEGIN}\n\n${table}\n\n${END}${after}`;
}
