import { describe, expect, it } from '@jest/globals';
import { Slots } from '../../../lib/gateway/slots.ts';

/** Who runs, in the order of the beginnings, and what ends them. */
function world(slots: Slots) {
  const running: string[] = [];
  const ends = new Map<string, () => void>();
  const start = async (name: string, key: string) => {
    const release = await slots.take(key);
    if (!release) return void running.push(`${name} refused`);
    running.push(name);
    ends.set(name, release);
  };
  const end = async (name: string) => {
    ends.get(name)!();
    await Promise.resolve();
    await Promise.resolve();
  };
  return { running, start, end };
}

describe('slots for joins', () => {
  it('keep three quarters free of those that wait for one document', async () => {
    const { running, start, end } = world(new Slots(8, 100));
    for (let n = 0; n < 5; n++) void start(`big ${n}`, 'big');
    for (let n = 0; n < 3; n++) void start(`other ${n}`, `room ${n}`);
    await Promise.resolve();
    expect(running).toEqual(['big 0', 'big 1', 'other 0', 'other 1', 'other 2']);
    await end('other 0');
    expect(running).toHaveLength(5);
    await end('big 0');
    expect(running.at(-1)).toBe('big 2');
    await end('big 0');
    expect(running).toHaveLength(6);
  });

  it('are given in order, to no more than run and wait at a time', async () => {
    const { running, start, end } = world(new Slots(1, 2));
    for (const name of ['a', 'b', 'c', 'd']) void start(name, name);
    await Promise.resolve();
    expect(running).toEqual(['d refused', 'a'].sort((x) => (x === 'a' ? -1 : 1)));
    await end('a');
    await end('b');
    expect(running.slice(2)).toEqual(['b', 'c']);
  });
});
