import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import type { CodecFuzzReport } from '../../fuzz/codecs.ts';
import { CODEC_TARGETS } from '../../fuzz/codec-targets.ts';

const ROOT = join(import.meta.dirname, '../../..');
const SECONDS = '2';
const SEED = '20260101';

async function run(args: readonly string[]): Promise<CodecFuzzReport> {
  const ran = promisify(execFile)(process.execPath, args, { cwd: ROOT });
  // It exits with 1 when something was found.
  const { stdout } = await ran.catch((error: { stdout: string }) => error);
  return JSON.parse(stdout) as CodecFuzzReport;
}

describe('the readers of bytes from outside', () => {
  it('stand damaged input, led by the code that it reaches', async () => {
    const args = ['scripts/fuzz.ts', '--codecs', '--seconds', SECONDS, '--seed', SEED, '--json'];
    const report = await run(args);
    expect(report.findings).toEqual([]);
    expect(Object.keys(report.inputs)).toEqual(CODEC_TARGETS.map(({ name }) => name));
    for (const { name, seeds } of CODEC_TARGETS) expect(report.inputs[name]).toBeGreaterThan(seeds.length);
    expect(report.blocks).toBeGreaterThan(500);
  });

  it('are searched so that a fault behind four bytes is found', async () => {
    const program = `
      import { fuzzCodecs } from './test/fuzz/codecs.ts';
      const targets = async () => (await import('./test/fuzz/planted.ts')).PLANTED_TARGETS;
      const isWatched = (url) => url.endsWith('fuzz/planted.ts');
      console.log(JSON.stringify(await fuzzCodecs({ seed: 1, seconds: 60, targets, isWatched })));`;
    const { findings } = await run(['--input-type=module', '--eval', program]);
    expect(findings).toEqual([{ target: 'planted', fault: 'Error: the planted fault', hex: '7b8022fe' }]);
  });
});
