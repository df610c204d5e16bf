import { describe, expect, it } from '@jest/globals';
import { AccessEnforcement } from '../../../lib/gateway/access-enforcement.ts';
import { RoomRoles } from '../../../lib/gateway/room-roles.ts';
import { encodePulse } from '../../../lib/lifecycle/access-record.ts';
import { silentLogger } from '../../../lib/log.ts';
import { ManualClock } from './manual-clock.ts';

describe('a gateway that may not hear of changes', () => {
  it('asks about every right anew after some seconds, and believes for long once it hears itself', async () => {
    const clock = new ManualClock();
    let asked = 0;
    const lookUp = async () => {
      asked++;
      return { role: 'editor' as const, tenantId: 't' };
    };
    const roles = new RoomRoles({ clock, ttlMs: 300_000, lookUp });
    const enforcement = new AccessEnforcement({
      clock,
      logger: silentLogger,
      roles,
      sessions: new Set(),
      joins: { end: () => undefined },
      append: () => Promise.resolve(),
      id: 'own',
      ttlMs: 300_000,
      graceMs: 0,
    });
    const ask = async () => {
      await roles.roleOf({ userId: 'ann', roomId: 'board', suffices: () => true });
      return asked;
    };
    enforcement.check();
    expect(await ask()).toBe(1);
    clock.advance(4_000);
    expect(await ask()).toBe(1);
    clock.advance(2_000);
    expect(await ask()).toBe(2);
    enforcement.onRecord(encodePulse('own'));
    enforcement.check();
    expect(enforcement.isReading).toBe(true);
    clock.advance(20_000);
    expect(await ask()).toBe(2);
  });
});
