import { randomUUID } from 'node:crypto';
import { expect } from '@jest/globals';
import { DAY_MS, inAuthWorld, type AuthWorld } from './auth-world.ts';

const HOUR_MS = 3_600_000;
const notFound = expect.objectContaining({ type: 'NOT_FOUND' }) as unknown;

/** Of a tenant of its own, so that checks do not see each other's. */
function wanted(more: { name?: string; tenantId?: string; lifeMs?: number } = {}) {
  const rooms = { plan: 'editor' as const, 'a*': 'viewer' as const };
  return { name: 'exporter', tenantId: randomUUID(), rooms, lifeMs: HOUR_MS, ...more };
}

async function told(world: AuthWorld): Promise<unknown[]> {
  return (await world.changes()).map(({ sessionId }) => sessionId);
}

/** What every database must do for tokens of servers. */
export const serviceTokenChecks = inAuthWorld({
  'a service token names its rooms, its tenant and itself, for a day at most': async (world) => {
    const asked = wanted({ lifeMs: 2 * DAY_MS });
    const { id, token, expiresAtMs } = await world.auth.serviceTokens.create(asked);
    const { name, tenantId, rooms } = asked;
    const claims = { kind: 'service', userId: name, sessionId: id, tenantId, rooms };
    expect(await world.verify(token)).toMatchObject(claims);
    expect(expiresAtMs).toBeLessThanOrEqual(world.clock.wallTime() + DAY_MS);
    expect(expiresAtMs).toBeGreaterThan(world.clock.wallTime() + DAY_MS - HOUR_MS);
    expect(JSON.stringify(await world.rows('service_tokens'))).not.toContain(token);
  },

  'service tokens are listed until they end, the newest first, by tenant': async (world) => {
    const { serviceTokens } = world.auth;
    const { tenantId } = wanted();
    const first = await serviceTokens.create(wanted({ tenantId }));
    world.later(1_000);
    const second = await serviceTokens.create(wanted({ tenantId, name: 'other', lifeMs: 2 * HOUR_MS }));
    await serviceTokens.create(wanted());
    const seen = await serviceTokens.list({ tenantId, pageSize: 1 });
    expect(seen).toMatchObject({ total: 2, rows: [{ id: second.id, name: 'other', revokedAt: null }] });
    expect(Object.keys(seen.rows[0]!).sort()).toEqual(
      ['createdAt', 'expiresAt', 'id', 'name', 'revokedAt', 'rooms', 'tenantId'].sort(),
    );
    const { rows } = await serviceTokens.list({ tenantId, page: 2, pageSize: 1 });
    expect(rows).toMatchObject([{ id: first.id, rooms: { plan: 'editor', 'a*': 'viewer' } }]);
    world.later(1.5 * HOUR_MS);
    expect((await serviceTokens.list({ tenantId })).rows.map(({ id }) => id)).toEqual([second.id]);
    world.later(DAY_MS);
    await serviceTokens.create(wanted());
    expect((await world.rows('service_tokens')).filter((row) => row.tenant_id === tenantId)).toEqual([]);
  },

  'a revoked service token is told to the gateways, now and by the list; twice is once': async (world) => {
    const { serviceTokens } = world.auth;
    const { tenantId } = wanted();
    const [one, other] = [
      await serviceTokens.create(wanted({ tenantId })),
      await serviceTokens.create(wanted({ tenantId })),
    ];
    expect(await world.auth.revokedIds()).not.toContain(one.id);
    expect(await serviceTokens.revoke({ id: one.id })).toEqual({ revoked: 1 });
    expect(await told(world)).toContain(one.id);
    expect(await told(world)).not.toContain(other.id);
    expect(await world.another().revokedIds()).toContain(one.id);
    expect(await world.auth.revokedIds()).not.toContain(other.id);
    const before = await serviceTokens.list({ tenantId });
    world.later(1_000);
    expect(await serviceTokens.revoke({ id: one.id })).toEqual({ revoked: 1 });
    expect(await serviceTokens.list({ tenantId })).toEqual(before);
    expect(before.rows.map(({ revokedAt }) => revokedAt === null).sort()).toEqual([false, true]);
    // A gateway whose clock is late would still take it.
    world.later(HOUR_MS);
    expect(await world.auth.revokedIds()).toContain(one.id);
    world.later(5_000);
    expect(await world.auth.revokedIds()).not.toContain(one.id);
  },

  'all service tokens of a name are revoked together, in one tenant or in all': async (world) => {
    const { serviceTokens } = world.auth;
    const [here, there] = [wanted().tenantId, wanted().tenantId];
    const name = `exporter-${randomUUID()}`;
    for (const tenantId of [here, here, there]) await serviceTokens.create(wanted({ name, tenantId }));
    await serviceTokens.create(wanted({ tenantId: here }));
    expect(await serviceTokens.revoke({ name, tenantId: here })).toEqual({ revoked: 2 });
    const revoked = (await serviceTokens.list({ tenantId: here })).rows.filter((row) => row.revokedAt);
    expect(revoked.map((row) => row.name)).toEqual([name, name]);
    expect((await serviceTokens.list({ tenantId: there })).rows[0]).toMatchObject({ revokedAt: null });
    expect(await serviceTokens.revoke({ name })).toEqual({ revoked: 3 });
    await expect(serviceTokens.revoke({ name: 'nobody' })).rejects.toEqual(notFound);
    await expect(serviceTokens.revoke({ id: randomUUID() })).rejects.toEqual(notFound);
  },

  'the list of revoked service tokens comes in parts': async (world) => {
    const { serviceTokens } = world.auth;
    for (let n = 0; n < 3; n++) await serviceTokens.revoke({ id: (await serviceTokens.create(wanted())).id });
    const all = await world.auth.revokedIds();
    expect(await world.auth.revokedIds(all[0])).toEqual(all.slice(1));
    expect(await world.auth.revokedIds(all.at(-1))).toEqual([]);
  },

  'the same request for a service token again is the same token, with another content it is refused': async (
    world,
  ) => {
    const { serviceTokens } = world.auth;
    const asked = { ...wanted(), id: randomUUID() };
    const answers = await Promise.all([serviceTokens.create(asked), serviceTokens.create(asked)]);
    world.later(60_000);
    const again = await serviceTokens.create({ ...asked, rooms: { 'a*': 'viewer', plan: 'editor' } });
    for (const { id, expiresAtMs } of answers)
      expect([id, expiresAtMs]).toEqual([again.id, again.expiresAtMs]);
    expect((await serviceTokens.list({ tenantId: asked.tenantId })).total).toBe(1);
    const more = { ...asked, rooms: { '*': 'owner' as const } };
    await expect(serviceTokens.create(more)).rejects.toMatchObject({ type: 'ID_TAKEN' });
  },
});
