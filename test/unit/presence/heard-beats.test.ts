import { describe, expect, it } from '@jest/globals';
import { HeardBeats } from '../../../lib/presence/heard-beats.ts';

const TIMEOUT_MS = 6_000;
const INTERVAL_MS = 2_000;

function open() {
  return new HeardBeats({ own: 'own', timeoutMs: TIMEOUT_MS, nowMs: 0 });
}

/** Both beat from one time to another, the other one at this time after the own beat. */
function bothBeat(
  beats: HeardBeats,
  { fromMs, toMs, otherAfterMs }: Record<'fromMs' | 'toMs' | 'otherAfterMs', number>,
) {
  for (let ms = fromMs; ms <= toMs; ms++) {
    if (ms % INTERVAL_MS === 0) beats.heard('own', ms);
    if (ms % INTERVAL_MS === otherAfterMs) beats.heard('other', ms);
  }
}

describe('which gateways are heard', () => {
  it('one that is not heard while three own beats are is dead, and not before', () => {
    const beats = open();
    beats.heard('other', 1);
    for (const ms of [2_000, 4_000, 6_000]) {
      beats.heard('own', ms);
      expect(beats.isSilent('other')).toBe(false);
    }
    beats.heard('own', 8_000);
    expect(beats.isSilent('other')).toBe(true);
    expect(beats.isSilent('never heard')).toBe(false);
  });

  it.each([1, 500, 1_000, 1_500, 1_999])(
    'in an outage nobody is dead, whoever is missed first (the other beats %i ms after)',
    (otherAfterMs) => {
      for (const endsAtMs of [10_000, 10_001, 10_700, 11_999]) {
        const beats = open();
        bothBeat(beats, { fromMs: 1, toMs: endsAtMs, otherAfterMs });
        expect(beats.isSilent('other')).toBe(false);
        // It ends after 20 s; the other one needs some seconds more to be heard.
        expect(beats.heard('own', 30_000)).toBe(true);
        for (const ms of [32_000, 34_000, 36_000, 38_000]) {
          expect(beats.heard('own', ms)).toBe(false);
          expect(beats.isSilent('other')).toBe(false);
        }
        beats.heard('other', 39_000);
        for (const ms of [40_000, 42_000, 44_000]) {
          beats.heard('own', ms);
          expect(beats.isSilent('other')).toBe(false);
        }
        beats.heard('own', 46_000);
        expect(beats.isSilent('other')).toBe(true);
      }
    },
  );

  it.each([1, 500, 1_000, 1_999])(
    'a machine that stands still for some seconds makes nobody dead (the other beats %i ms after)',
    (otherAfterMs) => {
      for (let stillMs = 500; stillMs <= 12_000; stillMs += 100) {
        const beats = open();
        bothBeat(beats, { fromMs: 1, toMs: 9_999, otherAfterMs });
        // The own beat comes back first; the other one has been late by as much.
        for (const ms of [0, 1, 2].map((beat) => 10_000 + stillMs + beat * INTERVAL_MS)) {
          beats.heard('own', ms);
          expect(beats.isSilent('other')).toBe(false);
          if (ms > 10_000 + stillMs) beats.heard('other', ms + 1);
        }
      }
    },
  );

  it('one that has died is dead soon after a machine has stood still', () => {
    const beats = open();
    beats.heard('other', 1);
    for (const ms of [2_000, 4_000, 9_000]) {
      beats.heard('own', ms);
      expect(beats.isSilent('other')).toBe(false);
    }
    beats.heard('own', 11_000);
    expect(beats.isSilent('other')).toBe(true);
  });

  it('one that has died in an outage is dead twice the time-out after it', () => {
    const beats = open();
    beats.heard('other', 1_000);
    for (let ms = 30_000; ms <= 42_000; ms += INTERVAL_MS) {
      beats.heard('own', ms);
      expect(beats.isSilent('other')).toBe(false);
    }
    beats.heard('own', 44_000);
    expect(beats.isSilent('other')).toBe(true);
  });
});
