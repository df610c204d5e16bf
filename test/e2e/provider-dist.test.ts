import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { build } from 'esbuild';

const CONSUMER = `
import { ProtocolManager, type ManagerEvents } from 'y-kafka/provider';
import { isComparable, type Position } from 'y-kafka/protocol';
const manager = new ProtocolManager({ url: ['http://a', 'http://b'], roomId: 'room', getToken: async () => 'token' });
manager.on('acked', ({ position }: ManagerEvents['acked']) => { const p: Position = position; isComparable(p, p); });
// @ts-expect-error an event that does not exist
manager.on('saved', () => undefined);
`;
const CONSUMER_CONFIG = {
  compilerOptions: {
    noEmit: true,
    strict: true,
    module: 'nodenext',
    target: 'es2022',
    skipLibCheck: true,
    types: [],
  },
};
const ROOT = join(import.meta.dirname, '../..');
/** As `npm run build` does. */
const BUILD = join(ROOT, 'node_modules/typescript-native/bin/tsc');
/** An older one, as many applications have it. */
const TSC = join(ROOT, 'node_modules/typescript/bin/tsc');
const run = promisify(execFile);

beforeAll(async () => {
  await run(process.execPath, [BUILD, '-p', 'tsconfig.build.json'], { cwd: ROOT });
});

async function exportsOf(entry: string): Promise<string[]> {
  const script = `console.log(JSON.stringify(Object.keys(await import('y-kafka/${entry}'))))`;
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], { cwd: ROOT });
  return JSON.parse(stdout) as string[];
}

/** Everything that a browser bundle of the entry would ask for and that is not in it. */
async function bundleForBrowser(entry: string) {
  const { metafile } = await build({
    stdin: { contents: `export * from 'y-kafka/${entry}'`, resolveDir: ROOT },
    bundle: true,
    write: false,
    metafile: true,
    format: 'esm',
    platform: 'browser',
    logLevel: 'silent',
  });
  return metafile;
}

describe('the built client library', () => {
  it('is imported by plain Node under the names that the package exports', async () => {
    expect(await exportsOf('provider')).toEqual(
      expect.arrayContaining(['ProtocolManager', 'ProtocolConnection', 'ProtocolProcessing', 'loadYwasm']),
    );
    expect(await exportsOf('protocol')).toEqual(
      expect.arrayContaining(['encodeMessage', 'decodeMessage', 'createMetadata', 'ProtocolCodecContext']),
    );
  });

  it.each(['provider', 'protocol'])('%s is bundled for a browser without a module of Node', async (entry) => {
    const { inputs } = await bundleForBrowser(entry);
    const files = Object.keys(inputs);
    expect(files.some((file) => file.startsWith(`dist/lib/${entry}/`))).toBe(true);
    const imported = Object.values(inputs).flatMap(({ imports }) => imports.map(({ path }) => path));
    expect(imported.filter((path) => isBuiltin(path))).toEqual([]);
    expect(files.filter((file) => file.includes('(disabled)'))).toEqual([]);
  });

  it('has type declarations that a strict consumer without the types of Node compiles against', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'ykafka-consumer-'));
    try {
      await mkdir(join(folder, 'node_modules'));
      await symlink(ROOT, join(folder, 'node_modules/y-kafka'), 'dir');
      await writeFile(join(folder, 'package.json'), '{"type":"module"}');
      await writeFile(join(folder, 'consumer.ts'), CONSUMER);
      await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(CONSUMER_CONFIG));
      const { stdout } = await run(process.execPath, [TSC, '-p', folder]).catch(
        (error: { stdout: string }) => error,
      );
      expect(stdout).toBe('');
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
