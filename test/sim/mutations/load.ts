import { registerHooks } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type * as Seeds from '../seeds.ts';
import type { Mutation } from './list.ts';

const ROOT = join(import.meta.dirname, '../../..');
const ROOT_URL = pathToFileURL(`${ROOT}/`).href;
const QUERY = '?mutation=';

/** The simulator's modules once more, with this fault in them; other copies in the same process are as they were. */
export async function loadMutated(mutation: Mutation): Promise<typeof Seeds> {
  const query = `${QUERY}${mutation.name}`;
  const applied = new Set<string>();
  const hooks = registerHooks({
    resolve(specifier, context, next) {
      const resolved = next(specifier, context);
      const isOurs = resolved.url.startsWith(ROOT_URL) && !resolved.url.includes('/node_modules/');
      return isOurs && context.parentURL?.endsWith(query)
        ? { ...resolved, url: resolved.url + query }
        : resolved;
    },
    load(url, context, next) {
      if (!url.endsWith(query)) return next(url, context);
      const loaded = next(url, context);
      const path = url.slice(ROOT_URL.length, -query.length);
      const source = String(new TextDecoder().decode(loaded.source as Uint8Array));
      return { ...loaded, source: patched(mutation, path, { source, applied }) };
    },
  });
  try {
    const loaded = (await import(`${ROOT_URL}test/sim/seeds.ts${query}`)) as typeof Seeds;
    const missing = mutation.patches.filter(({ file }) => !applied.has(file));
    if (missing.length > 0) throw new Error(`${mutation.name}: ${missing[0]!.file} is not loaded`);
    return loaded;
  } finally {
    hooks.deregister();
  }
}

function patched(
  { name, patches }: Mutation,
  path: string,
  { source, applied }: { source: string; applied: Set<string> },
): string {
  let result = source;
  for (const { file, find, replace } of patches) {
    if (file !== path) continue;
    if (result.split(find).length !== 2) throw new Error(`${name}: ${file} must contain once: ${find}`);
    result = result.replace(find, () => replace);
    applied.add(file);
  }
  return result;
}
