import { describe, expect, it } from '@jest/globals';
import { createCollector, MemoryRelief } from '../../lib/memory-relief.ts';
import { ManualClock } from './gateway/manual-clock.ts';

const MB = 1024 ** 2;
const SWEEP_LIMIT_MS = 30_000;

function relief() {
  const clock = new ManualClock();
  const found = { clock, collections: 0, memory: undefined as unknown as MemoryRelief };
  found.memory = new MemoryRelief({
    clock,
    collect: () => void found.collections++,
    minBytes: 16 * MB,
    quietMs: 2_000,
  });
  return found;
}

describe('MemoryRelief', () => {
  it('collects once, when no large work has ended for a while', () => {
    const found = relief();
    found.memory.note(52 * MB);
    found.clock.advance(1_900);
    found.memory.note(5 * MB);
    found.clock.advance(1_900);
    expect(found.collections).toBe(0);
    found.clock.advance(200);
    expect(found.collections).toBe(1);
    found.clock.advance(60_000);
    expect(found.collections).toBe(1);
  });

  it('leaves what is little to V8, until it has become much', () => {
    const found = relief();
    for (let n = 0; n < 3; n++) found.memory.note(5 * MB);
    found.clock.advance(60_000);
    expect(found.collections).toBe(0);
    found.memory.note(5 * MB);
    found.clock.advance(2_000);
    expect(found.collections).toBe(1);
    found.memory.note(5 * MB);
    found.clock.advance(60_000);
    expect(found.collections).toBe(1);
  });

  it('does nothing after the end of its process has begun', () => {
    const found = relief();
    found.memory.note(52 * MB);
    found.memory.stop();
    found.clock.advance(60_000);
    expect(found.collections).toBe(0);
  });
});

describe('createCollector', () => {
  it('frees the memory under buffers that nobody has any more', () => {
    const collect = createCollector();
    collect();
    const held = () => process.memoryUsage().arrayBuffers;
    // V8 gives buffers back in a thread of its own; the event loop has to stand still, or V8 may collect by itself.
    const cell = new Int32Array(new SharedArrayBuffer(4));
    const standStill = () => void Atomics.wait(cell, 0, 0, 5);
    // Those of tests that ran before are given back as well.
    let before = held();
    for (let unchanged = 0; unchanged < 20; unchanged = held() === before ? unchanged + 1 : 0) {
      before = held();
      standStill();
    }
    const kept: { large?: Uint8Array } = {};
    // In a function of its own: nothing else has it when that has returned.
    const make = () => void (kept.large = new Uint8Array(64 * MB));
    make();
    expect(held()).toBeGreaterThan(before + 48 * MB);
    delete kept.large;
    collect();
    const untilMs = performance.now() + SWEEP_LIMIT_MS;
    while (held() > before + 32 * MB && performance.now() < untilMs) standStill();
    expect(held()).toBeLessThan(before + 32 * MB);
    expect(globalThis).not.toHaveProperty('gc');
  });
});
