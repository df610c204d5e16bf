import { randomUUID } from 'node:crypto';
import { expect } from '@jest/globals';
import { refused, type AccountsCheck } from './accounts-world.ts';

/** What every database must do for invites. */
export const inviteChecks: Record<string, AccountsCheck> = {
  'an invite gives its role, once for each person and no more often than it may': async (world) => {
    const [owner, first, second, third] = await Promise.all([1, 2, 3, 4].map(() => world.person()));
    const board = await world.board(owner!);
    const { token, id } = await world.invites.create(owner!, board, {
      id: randomUUID(),
      role: 'editor',
      maxUses: 2,
    });
    expect(await world.invites.preview(token)).toMatchObject({ boardId: board, role: 'editor' });
    expect(await world.invites.accept(first!, token)).toEqual({ boardId: board, role: 'editor' });
    expect(await world.invites.accept(first!, token)).toEqual({ boardId: board, role: 'editor' });
    await world.invites.accept(second!, token);
    await expect(world.invites.accept(third!, token)).rejects.toEqual(refused('INVITE_OVER'));
    const { rows } = await world.invites.list(owner!, board);
    expect(rows).toEqual([expect.objectContaining({ id, uses: 2, maxUses: 2 })]);
    expect(JSON.stringify(rows)).not.toContain(token);
  },

  'an invite ends by time, by revocation, and with the rights of its maker': async (world) => {
    const [owner, editor, late] = await Promise.all([1, 2, 3].map(() => world.person()));
    const board = await world.board(owner!);
    await world.join(owner!, board, editor!, 'editor');
    const make = (maker: string, expiresAt?: Date) =>
      world.invites.create(maker, board, {
        id: randomUUID(),
        role: 'editor',
        ...(expiresAt ? { expiresAt } : {}),
      });
    const soon = new Date(world.clock.wallTime() + 60_000);
    const [expiring, revoked, orphaned] = [await make(owner!, soon), await make(owner!), await make(editor!)];
    await world.invites.revoke(owner!, { boardId: board, inviteId: revoked.id });
    await world.boardMembers.update(owner!, { boardId: board, memberId: editor! }, { role: 'viewer' });
    world.later(61_000);
    for (const { token } of [expiring, revoked, orphaned])
      await expect(world.invites.accept(late!, token)).rejects.toEqual(refused('INVITE_OVER'));
    await expect(world.invites.accept(late!, 'no-such-token')).rejects.toEqual(refused('INVITE_NOT_FOUND'));
    expect(await world.permissions.roleOn(board, late!)).toBeUndefined();
  },

  'nobody invites to more than the own role, and an invite lowers nobody': async (world) => {
    const [owner, editor] = await Promise.all([1, 2].map(() => world.person()));
    const board = await world.board(owner!);
    await world.join(owner!, board, editor!, 'editor');
    const asOwner = { id: randomUUID(), role: 'owner' as const };
    await expect(world.invites.create(editor!, board, asOwner)).rejects.toEqual(refused('ROLE_TOO_HIGH'));
    await world.join(owner!, board, editor!, 'viewer');
    expect((await world.permissions.roleOn(board, editor!))?.role).toBe('editor');
  },

  'an accept beside a revocation counts once or not at all': async (world) => {
    const owner = await world.person();
    const board = await world.board(owner);
    for (let round = 0; round < 5; round++) {
      const guest = await world.person();
      const invite = await world.invites.create(owner, board, {
        id: randomUUID(),
        role: 'editor',
        maxUses: 1,
      });
      const [accepted] = await Promise.allSettled([
        world.invites.accept(guest, invite.token),
        world.invites.revoke(owner, { boardId: board, inviteId: invite.id }),
        world.invites.accept(guest, invite.token),
      ]);
      const role = (await world.permissions.roleOn(board, guest))?.role;
      const row = (await world.invites.list(owner, board)).rows.find(({ id }) => id === invite.id)!;
      expect(row.uses).toBe(role === 'editor' ? 1 : 0);
      if (accepted.status === 'fulfilled') expect(role).toBe('editor');
    }
  },
};
