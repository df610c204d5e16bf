import { describe, expect, it } from '@jest/globals';
import { SeenVersions } from '../../../lib/gateway/seen-versions.ts';

describe('versions that a follow has delivered', () => {
  it('are known by writer', () => {
    const seen = new SeenVersions();
    expect([seen.add('a', 1), seen.add('b', 1), seen.add('a', 1), seen.add('a', 2)]).toEqual([
      true,
      true,
      false,
      true,
    ]);
    seen.clear();
    expect(seen.add('a', 1)).toBe(true);
  });

  it('a writer that leaves gaps takes bounded room: its lowest versions are forgotten', () => {
    const seen = new SeenVersions();
    for (let version = 1; version <= 4_001; version += 2) seen.add('a', version);
    expect(seen.add('a', 4_001)).toBe(false);
    expect(seen.add('a', 1)).toBe(true);
  });

  it('many writers take bounded room: the first is forgotten', () => {
    const seen = new SeenVersions();
    for (let writer = 0; writer <= 4_096; writer++) seen.add(`w${writer}`, 1);
    expect(seen.add('w4096', 1)).toBe(false);
    expect(seen.add('w0', 1)).toBe(true);
  });
});
