import { describe, expect, it } from '@jest/globals';
import { RoomRoles, type RoleAnswer, type RoomRole } from '../../../lib/gateway/room-roles.ts';
import { SharedRoles, type RoleCache } from '../../../lib/gateway/shared-roles.ts';
import { ManualClock } from './manual-clock.ts';

const TTL_MS = 300_000;
const settled = () => new Promise((resolve) => setImmediate(resolve));

/** What Redis is to the gateways, with writes that a test holds back. */
class Shelf implements RoleCache {
  readonly entries = new Map<string, unknown>();
  isAway = false;
  /** Marks wait until they are let go. */
  held: (() => void)[] | undefined;
  reads = 0;

  async get(key: string): Promise<unknown> {
    this.reads++;
    if (this.isAway) throw new Error('away');
    return this.entries.get(key);
  }

  async set(key: string, value: unknown): Promise<void> {
    if (this.isAway) throw new Error('away');
    if (this.held && key.startsWith('mark:')) await new Promise<void>((go) => this.held!.push(go));
    this.entries.set(key, structuredClone(value));
  }
}

class World {
  readonly shelf = new Shelf();
  readonly clock = new ManualClock();
  role: RoomRole | undefined = 'editor';
  asked = 0;
  /** Answers of the service wait until they are let go; what they say was read before. */
  slow: (() => void)[] | undefined;
  #ids = 0;

  gateway(): { roles: RoomRoles; shared: SharedRoles } {
    const lookUp = async (): Promise<RoleAnswer> => {
      this.asked++;
      const answer = this.role && { role: this.role, tenantId: 't' };
      if (this.slow) await new Promise<void>((go) => this.slow!.push(go));
      return answer;
    };
    const parts = { clock: this.clock, lookUp, ttlMs: TTL_MS };
    const shared = new SharedRoles({ ...parts, cache: this.shelf, randomId: () => `id-${++this.#ids}` });
    return { shared, roles: new RoomRoles({ ...parts, shared }) };
  }
}

/** `needs`: what she wants is only for that role. */
const ask = async ({ roles }: { roles: RoomRoles }, needs?: RoomRole) => {
  const suffices = (answer: RoleAnswer) => !needs || answer?.role === needs;
  return (await roles.roleOf({ userId: 'ann', roomId: 'board', suffices }))?.role;
};
const CHANGE = { tenantId: 't', roomId: 'board', userId: 'ann' };

describe('answers about rights that gateways share', () => {
  it('are asked for once, by whichever gateway', async () => {
    const world = new World();
    const [a, b] = [world.gateway(), world.gateway()];
    expect(await ask(a)).toBe('editor');
    await settled();
    expect(await ask(b)).toBe('editor');
    expect(world.asked).toBe(1);
  });

  it.each([
    ['the person in the room', CHANGE],
    ['the room', { tenantId: 't', roomId: 'board' }],
    ['the person in all rooms of the tenant', { tenantId: 't', userId: 'ann' }],
    ['the whole tenant', { tenantId: 't' }],
  ])('do not count after a change about %s', async (_name, change) => {
    const world = new World();
    const [a, b] = [world.gateway(), world.gateway()];
    await ask(a);
    await settled();
    world.role = undefined;
    a.roles.changed(change);
    expect(await ask(a)).toBeUndefined();
    b.roles.changed(change);
    expect(await ask(b)).toBeUndefined();
  });

  it('do count after a change about others, and after the end of a session', async () => {
    const world = new World();
    const [a, b] = [world.gateway(), world.gateway()];
    await ask(a);
    await settled();
    a.roles.changed({ roomId: 'other' });
    a.roles.changed({ userId: 'ann', sessionId: 's' });
    await settled();
    await ask(b);
    expect(world.asked).toBe(1);
  });

  it('of before a change do not count, however late they are written', async () => {
    const world = new World();
    const [a, b] = [world.gateway(), world.gateway()];
    const letGo: (() => void)[] = (world.slow = []);
    const old = b.shared.lookUp('ann', 'board', TTL_MS);
    await settled();
    world.slow = undefined;
    world.role = 'viewer';
    a.roles.changed(CHANGE);
    expect(await ask(a)).toBe('viewer');
    await settled();
    for (const go of letGo) go();
    expect((await old).answer?.role).toBe('editor');
    await settled();
    // The slow one has put its answer over the new one.
    expect(JSON.stringify([...world.shelf.entries.values()])).toContain('editor');
    expect(await ask(world.gateway())).toBe('viewer');
  });

  it('are not believed by a gateway whose mark has not arrived', async () => {
    const world = new World();
    const a = world.gateway();
    await ask(a);
    await settled();
    world.role = 'viewer';
    world.shelf.isAway = true;
    a.roles.changed(CHANGE);
    await settled();
    // It is back with all that it had.
    world.shelf.isAway = false;
    world.clock.advance(2_000);
    expect(await ask(a)).toBe('viewer');
    await settled();
    expect(await ask(world.gateway())).toBe('viewer');
  });

  it('are not asked for while a mark is on its way', async () => {
    const world = new World();
    const a = world.gateway();
    await ask(a);
    await settled();
    world.role = 'viewer';
    world.shelf.held = [];
    const { reads } = world.shelf;
    a.roles.changed(CHANGE);
    expect(await ask(a)).toBe('viewer');
    expect(world.shelf.reads).toBe(reads);
  });

  it('are left alone for a while after a failure', async () => {
    const world = new World();
    const a = world.gateway();
    world.shelf.isAway = true;
    expect(await ask(a)).toBe('editor');
    await settled();
    const { reads } = world.shelf;
    await a.shared.lookUp('ann', 'board', TTL_MS);
    expect(world.shelf.reads).toBe(reads);
    expect(world.asked).toBe(2);
    world.clock.advance(2_000);
    await a.shared.lookUp('ann', 'board', TTL_MS);
    expect(world.shelf.reads).toBeGreaterThan(reads);
  });

  it('count no longer than they would in the gateway that asked', async () => {
    const world = new World();
    const [a, b] = [world.gateway(), world.gateway()];
    await ask(a);
    await settled();
    world.clock.advance(TTL_MS - 1_000);
    await ask(b);
    expect(world.asked).toBe(1);
    world.clock.advance(1_001);
    await ask(b);
    expect(world.asked).toBe(2);
  });

  it('count for a gateway that does not hear of changes only while they are fresh', async () => {
    const world = new World();
    const [a, b] = [world.gateway(), world.gateway()];
    await ask(a);
    await settled();
    b.roles.believeFor(5_000);
    world.clock.advance(4_000);
    await ask(b);
    expect(world.asked).toBe(1);
    world.clock.advance(2_000);
    await ask(b);
    expect(world.asked).toBe(2);
  });

  it('are not kept about strangers', async () => {
    const world = new World();
    const [a, b] = [world.gateway(), world.gateway()];
    world.role = undefined;
    expect(await ask(a)).toBeUndefined();
    await settled();
    world.role = 'viewer';
    expect(await ask(b)).toBe('viewer');
  });

  it('do not turn away: whoever decides is asked first, by one question for all who wait', async () => {
    const world = new World();
    const [a, b] = [world.gateway(), world.gateway()];
    await ask(a);
    await settled();
    world.role = 'owner';
    expect(await Promise.all([ask(b, 'owner'), ask(b, 'owner'), ask(b)])).toEqual([
      'owner',
      'owner',
      'editor',
    ]);
    expect(world.asked).toBe(2);
    expect(await ask(a, 'owner')).toBe('owner');
    expect(world.asked).toBe(3);
    expect(await ask(a, 'owner')).toBe('owner');
    expect(world.asked).toBe(3);
  });

  it('do not turn away by way of a question that began meanwhile', async () => {
    const world = new World();
    const [a, b] = [world.gateway(), world.gateway()];
    await ask(a);
    await settled();
    world.role = 'owner';
    const asked = ask(b, 'owner');
    // In each turn, so also in the one between the kept answer and the question that follows it.
    for (let turn = 0; turn < 50; turn++) {
      await Promise.resolve();
      void b.roles.ask('ann', 'board');
    }
    expect(await asked).toBe('owner');
  });

  it('do not turn away when they were read before the right was given', async () => {
    const world = new World();
    const a = world.gateway();
    world.slow = [];
    const early = ask(a, 'owner');
    await settled();
    world.role = 'owner';
    const late = [ask(a, 'owner'), ask(a, 'owner')];
    world.slow.splice(0).forEach((go) => go());
    expect(await early).toBe('editor');
    await settled();
    world.slow.splice(0).forEach((go) => go());
    expect(await Promise.all(late)).toEqual(['owner', 'owner']);
    expect(world.asked).toBe(2);
  });

  it('do not count after changes may have been missed', async () => {
    const world = new World();
    const [a, b] = [world.gateway(), world.gateway()];
    await ask(a);
    await settled();
    world.role = 'viewer';
    b.roles.forgetAll();
    await settled();
    expect(await ask(b)).toBe('viewer');
  });

  it('that are no answers are passed over', async () => {
    const world = new World();
    const a = world.gateway();
    await ask(a);
    await settled();
    for (const key of world.shelf.entries.keys())
      if (key.startsWith('role:')) world.shelf.entries.set(key, { marks: 'x', role: 'owner' });
    expect((await world.gateway().shared.lookUp('ann', 'board', TTL_MS)).answer?.role).toBe('editor');
    expect(world.asked).toBe(2);
  });
});
