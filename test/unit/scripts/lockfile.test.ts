import { readFile } from 'node:fs/promises';
import { describe, expect, it } from '@jest/globals';

interface Lockfile {
  packages: Record<string, { optionalDependencies?: Record<string, string> }>;
}

/** `npm ci` refuses a lockfile that lacks what a package may need on another platform. */
function missingOptionalPackages({ packages }: Lockfile): string[] {
  const missing: string[] = [];
  for (const [place, entry] of Object.entries(packages)) {
    for (const name of Object.keys(entry.optionalDependencies ?? {})) {
      if (!candidates(place, name).some((candidate) => candidate in packages))
        missing.push(`${place}: ${name}`);
    }
  }
  return missing;
}

/** Where Node looks for a package: in the folder of the one that asks, then in every folder above. */
function candidates(place: string, name: string): string[] {
  const found = [`node_modules/${name}`];
  for (let at = place.length; at > 0; at = place.lastIndexOf('/node_modules/', at - 1))
    found.push(`${place.slice(0, at)}/node_modules/${name}`);
  return found;
}

describe('package-lock.json', () => {
  it('names the packages of every platform, so that npm ci works on a clean clone', async () => {
    const lockfile = JSON.parse(await readFile('package-lock.json', 'utf8')) as Lockfile;
    expect(missingOptionalPackages(lockfile)).toEqual([]);
  });

  it('a lockfile without them is found out', () => {
    const packages = {
      'node_modules/a': { optionalDependencies: { 'a-linux': '1.0.0', 'a-darwin': '1.0.0' } },
      'node_modules/a/node_modules/a-linux': {},
    };
    expect(missingOptionalPackages({ packages })).toEqual(['node_modules/a: a-darwin']);
  });
});
