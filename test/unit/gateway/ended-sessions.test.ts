import { describe, expect, it } from '@jest/globals';
import { EndedSessions, MAX_HEARD } from '../../../lib/gateway/ended-sessions.ts';
import type { Identity } from '../../../lib/gateway/port.ts';
import { silentLogger } from '../../../lib/log.ts';
import { ManualClock } from './manual-clock.ts';

const FIVE_MINUTES_MS = 5 * 60_000;

function setup() {
  const clock = new ManualClock();
  const revoked: string[] = [];
  const world = { asked: 0, isAway: false, hold: Promise.resolve(), warnings: 0 };
  const sessions = new Set<{ identity: Identity; close: (code: string) => void }>();
  const ended = new EndedSessions({
    clock,
    logger: { ...silentLogger, warn: () => void world.warnings++ },
    sessions,
    revokedTokens: async () => {
      world.asked++;
      const answer = [...revoked];
      await world.hold;
      if (world.isAway) throw new Error('away');
      return answer;
    },
  });
  /** A connection; tells by which code it was closed. */
  const connect = (sessionId: string) => {
    const closes: string[] = [];
    sessions.add({ identity: { sessionId }, close: (code) => void closes.push(code) });
    return closes;
  };
  const refusal = (sessionId: string) => ended.refusalOf({ sessionId });
  return { clock, revoked, world, ended, connect, refusal };
}

const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('sessions that have ended', () => {
  it('the list is asked for once, at the first token that could be in it', async () => {
    const { revoked, world, ended, refusal } = setup();
    revoked.push('bad');
    ended.check({ isHearing: true });
    expect(await ended.refusalOf({})).toBeUndefined();
    expect(world.asked).toBe(0);
    expect(await Promise.all(['bad', 'good', 'bad'].map(refusal))).toEqual([
      'UNAUTHENTICATED',
      undefined,
      'UNAUTHENTICATED',
    ]);
    expect(world.asked).toBe(1);
  });

  it('what is heard counts at once, for what is open and for what comes', async () => {
    const { ended, connect, refusal } = setup();
    const [one, other] = [connect('one'), connect('other')];
    expect(await refusal('one')).toBeUndefined();
    ended.onEnded('one');
    expect([one, other]).toEqual([['UNAUTHENTICATED'], []]);
    expect(await refusal('one')).toBe('UNAUTHENTICATED');
    expect([ended.has('one'), ended.has('other')]).toEqual([true, false]);
  });

  it('what is heard while the list is on its way counts, although the list does not have it', async () => {
    const { world, ended, refusal } = setup();
    let letGo = () => undefined as void;
    world.hold = new Promise((resolve) => (letGo = resolve));
    const refused = refusal('one');
    ended.onEnded('one');
    letGo();
    expect(await refused).toBe('UNAUTHENTICATED');
  });

  it('nobody can tell while the list cannot be had, and everybody waits; said once', async () => {
    const { world, ended, refusal, clock } = setup();
    world.isAway = true;
    expect([await refusal('one'), await refusal('one')]).toEqual(['UNAVAILABLE', 'UNAVAILABLE']);
    expect(await ended.refusalOf({})).toBeUndefined();
    expect(world.warnings).toBe(1);
    world.isAway = false;
    clock.advance(5_000);
    ended.check({ isHearing: true });
    await settled();
    world.isAway = true;
    expect(await refusal('one')).toBeUndefined();
  });

  it('the list is asked for again now and then; what is known holds while it cannot be had', async () => {
    const { clock, revoked, world, ended, connect, refusal } = setup();
    revoked.push('bad');
    await refusal('one');
    const closes = connect('one');
    clock.advance(FIVE_MINUTES_MS - 1);
    ended.check({ isHearing: true });
    expect(world.asked).toBe(1);
    world.isAway = true;
    revoked.push('one');
    for (let n = 0; n < 4; n++) {
      clock.advance(1_000);
      ended.check({ isHearing: true });
      await settled();
    }
    expect(world.asked).toBe(2);
    expect([await refusal('bad'), await refusal('one')]).toEqual(['UNAUTHENTICATED', undefined]);
    world.isAway = false;
    clock.advance(5_000);
    ended.check({ isHearing: true });
    await settled();
    expect([world.asked, closes]).toEqual([3, ['UNAUTHENTICATED']]);
  });

  it('after a gap nobody is believed before the list has come anew, and what is open is looked at', async () => {
    const { clock, revoked, world, ended, connect, refusal } = setup();
    await refusal('one');
    const closes = connect('one');
    let letGo = () => undefined as void;
    world.hold = new Promise((resolve) => (letGo = resolve));
    clock.advance(FIVE_MINUTES_MS);
    ended.check({ isHearing: true });
    // Asked before the gap: its answer may lack what was revoked since.
    revoked.push('one', 'two');
    ended.onGap();
    const refused = refusal('two');
    letGo();
    expect(await refused).toBe('UNAUTHENTICATED');
    expect([world.asked, closes]).toEqual([3, ['UNAUTHENTICATED']]);
  });

  it('while nothing may be heard the list is asked for every few seconds', async () => {
    const { clock, revoked, world, ended, connect, refusal } = setup();
    await refusal('one');
    const closes = connect('one');
    revoked.push('one');
    clock.advance(4_999);
    ended.check({ isHearing: false });
    expect(world.asked).toBe(1);
    clock.advance(1);
    ended.check({ isHearing: true });
    expect(world.asked).toBe(1);
    ended.check({ isHearing: false });
    await settled();
    expect([world.asked, closes]).toEqual([2, ['UNAUTHENTICATED']]);
  });

  it('what was heard before the list was asked for is kept by the list alone', async () => {
    const { clock, revoked, ended, refusal } = setup();
    await refusal('one');
    ended.onEnded('early');
    clock.advance(FIVE_MINUTES_MS);
    ended.onEnded('late');
    revoked.push('early');
    ended.check({ isHearing: true });
    await settled();
    expect([ended.has('early'), ended.has('late')]).toEqual([true, true]);
    revoked.splice(0);
    clock.advance(FIVE_MINUTES_MS);
    ended.check({ isHearing: true });
    await settled();
    // The tokens of both have ended meanwhile.
    expect([ended.has('early'), ended.has('late')]).toEqual([false, false]);
  });

  it('more than are kept of those that were heard: nobody is believed before the list has come anew', async () => {
    const { clock, revoked, world, ended, refusal } = setup();
    await refusal('one');
    clock.advance(1);
    for (let n = 0; n <= MAX_HEARD; n++) ended.onEnded(`ended-${n}`);
    revoked.push(...Array.from({ length: MAX_HEARD + 1 }, (_, n) => `ended-${n}`));
    clock.advance(1);
    expect(ended.has('ended-0')).toBe(false);
    expect([await refusal('ended-0'), await refusal('ended-1'), await refusal('one')]).toEqual([
      'UNAUTHENTICATED',
      'UNAUTHENTICATED',
      undefined,
    ]);
    expect(world.asked).toBe(2);
  });

  it('after a gap it is asked at once, whenever it was asked last', async () => {
    const { world, ended, refusal } = setup();
    await refusal('one');
    ended.onGap();
    ended.check({ isHearing: true });
    await settled();
    expect(world.asked).toBe(2);
  });
});
