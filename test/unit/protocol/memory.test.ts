import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from '@jest/globals';

const MEASURE = join(import.meta.dirname, 'measure-memory.ts');

describe('memory', () => {
  it('stays below 4 x the input + 64 kB for small JSON that is large when parsed and for crowds of tiny things', async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [MEASURE]);
    expect(JSON.parse(stdout)).toEqual({
      bombs: { count: 24, over: [] },
      crowds: { count: 24, over: [] },
    });
  });
});
