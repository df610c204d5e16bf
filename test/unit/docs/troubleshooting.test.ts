import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';

async function sourcesIn(folder: string): Promise<string> {
  const files = (await readdir(folder, { recursive: true })).filter((file) => file.endsWith('.ts')).sort();
  return (await Promise.all(files.map((file) => readFile(join(folder, file), 'utf8')))).join('\n');
}

/** The fixed messages of warnings and errors: the quoted text that ends a logger call. */
function loggedPhrases(source: string): string[] {
  const calls = source.matchAll(/logger\??\.(?:warn|error)\(\s*(?:\{[^;]*?\}|\w+),\s*'([^'\n]+)',?\s*\)/g);
  return [...new Set([...calls].map(([, phrase]) => phrase!))];
}

const phrasesOf = (page: string): string[] => {
  const table = page.slice(page.indexOf('<!-- phrases -->'), page.indexOf('<!-- /phrases -->'));
  return [...table.matchAll(/^\| `([^`]+)`/gm)].map(([, phrase]) => phrase!);
};

describe('docs/troubleshooting.md', () => {
  let source = '';
  let phrases: string[] = [];

  beforeAll(async () => {
    const folders = await Promise.all(['lib', 'services'].map(sourcesIn));
    source = [...folders, await readFile('moleculer.config.ts', 'utf8')].join('\n');
    phrases = phrasesOf(await readFile('docs/troubleshooting.md', 'utf8'));
  });

  it('explains no line that is never logged', () => {
    expect(phrases.length).toBeGreaterThan(30);
    expect(phrases.filter((phrase) => !source.includes(`'${phrase}'`))).toEqual([]);
  });

  it('explains every warning and error', () => {
    const logged = loggedPhrases(source);
    expect(logged.length).toBeGreaterThan(30);
    expect(logged.filter((phrase) => !phrases.includes(phrase))).toEqual([]);
  });
});
