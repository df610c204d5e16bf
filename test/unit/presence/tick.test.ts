import { describe, expect, it } from '@jest/globals';
import { Tick } from '../../../lib/presence/tick.ts';
import { ManualClock } from '../gateway/manual-clock.ts';

describe('a tick', () => {
  it('does at once what is asked for after a pause, then once in its time', () => {
    const clock = new ManualClock();
    const doneAtMs: number[] = [];
    const tick = new Tick({ clock, tickMs: 15, work: () => void doneAtMs.push(clock.now()) });
    const begunAt = clock.now();
    tick.ask();
    tick.ask();
    expect(doneAtMs).toEqual([]);
    clock.advance(0);
    clock.advance(5);
    tick.ask();
    tick.ask();
    clock.advance(9);
    expect(doneAtMs).toHaveLength(1);
    clock.advance(1);
    clock.advance(100);
    expect(doneAtMs.map((at) => at - begunAt)).toEqual([0, 15]);
    tick.ask();
    clock.advance(0);
    expect(doneAtMs.map((at) => at - begunAt)).toEqual([0, 15, 115]);
  });

  it('that is finished early does nothing when its time comes', () => {
    const clock = new ManualClock();
    let done = 0;
    const tick = new Tick({ clock, tickMs: 15, work: () => void done++ });
    tick.finish();
    tick.ask();
    tick.finish();
    clock.advance(50);
    expect(done).toBe(1);
  });
});
