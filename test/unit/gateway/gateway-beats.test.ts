import { describe, expect, it } from '@jest/globals';
import { GatewayBeats } from '../../../lib/gateway/gateway-beats.ts';
import { silentLogger } from '../../../lib/log.ts';
import type { Stream } from '../../../lib/stream/port.ts';
import { ManualClock } from './manual-clock.ts';

const TARGET = { topic: 'yjs-awareness', partition: 0 };

function setUp() {
  const clock = new ManualClock();
  const appended: unknown[] = [];
  const stream = { append: async (...args: unknown[]) => (appended.push(args), [0]) } as unknown as Stream;
  const beats = new GatewayBeats({
    stream,
    clock,
    logger: silentLogger,
    gatewayId: 'own',
    beatTimeoutMs: 6000,
    targets: () => [TARGET],
  });
  return { clock, beats, appended };
}

describe('beats of the gateways', () => {
  it('one that was heard and then is silent for the time-out is dead', () => {
    const { clock, beats } = setUp();
    beats.heard(TARGET, 'other');
    for (let i = 0; i < 4; i++) {
      clock.advance(2000);
      beats.heard(TARGET, 'own');
      expect(beats.isSilent(TARGET, 'other')).toBe(i === 3);
    }
  });

  it('nobody is dead while the own beat does not come back, nor just after it does', () => {
    const { clock, beats } = setUp();
    beats.heard(TARGET, 'other');
    beats.heard(TARGET, 'own');
    clock.advance(30_000);
    expect(beats.isSilent(TARGET, 'other')).toBe(false);
    beats.heard(TARGET, 'own');
    expect(beats.isSilent(TARGET, 'other')).toBe(false);
    for (let i = 0; i < 7; i++) {
      expect(beats.isSilent(TARGET, 'other')).toBe(false);
      clock.advance(2000);
      beats.heard(TARGET, 'own');
    }
    expect(beats.isSilent(TARGET, 'other')).toBe(true);
  });

  it('beats on every partition in use', () => {
    const { beats, appended } = setUp();
    beats.send();
    expect(appended).toEqual([
      [
        TARGET,
        [{ key: 'beat', value: expect.any(Uint8Array), headers: { n: 'own', t: '4' } }],
        { durability: 'droppable' },
      ],
    ]);
  });
});
