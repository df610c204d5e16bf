import { createHash } from 'node:crypto';
import { cp, glob, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build, stop } from 'esbuild';

const ROOT = join(import.meta.dirname, '..');

export interface BuiltWeb {
  /** Holds the pages with their styles and scripts. */
  dir: string;
  /** False when what was there is still up to date. */
  isFresh: boolean;
}

/** Bundles the page into web/dist if its sources have changed since. Takes about 100 ms when they have. */
export async function buildWeb(): Promise<BuiltWeb> {
  const dir = join(ROOT, 'web/dist');
  const stampFile = join(dir, '.built-from');
  const stamp = await fingerprint();
  const before = await readFile(stampFile, 'utf8').catch(() => ''); // not built yet
  if (before === stamp) return { dir, isFresh: false };
  await mkdir(dir, { recursive: true });
  await cp(join(ROOT, 'web/public'), dir, { recursive: true });
  await build({
    entryPoints: { app: join(ROOT, 'web/src/main.ts'), 'sign-in': join(ROOT, 'web/src/sign-in.ts') },
    outdir: dir,
    bundle: true,
    minify: true,
    sourcemap: true,
    format: 'esm',
    target: 'es2022',
    legalComments: 'none',
    logLevel: 'silent',
  });
  // Its helper process would live as long as this one.
  await stop();
  // Last, so that an interrupted build is not taken for a finished one.
  await writeFile(stampFile, stamp);
  return { dir, isFresh: true };
}

/** Changes with every source of the page, the provider's and the protocol's included, and with the packages. */
async function fingerprint(): Promise<string> {
  const hash = createHash('sha256');
  const sources = ['web/{public,src}/**/*.*', 'lib/{protocol,provider}/**/*.ts', 'package-lock.json'];
  const files: string[] = [];
  for await (const file of glob(sources, { cwd: ROOT })) files.push(file);
  for (const file of [...files.sort(), 'scripts/build-web.ts'])
    hash.update(`${file}\0`).update(await readFile(join(ROOT, file)));
  return hash.digest('hex');
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { dir, isFresh } = await buildWeb();
  console.log(`${isFresh ? 'Built' : 'Up to date:'} ${dir}`);
}
