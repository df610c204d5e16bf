import { randomBytes, randomUUID } from 'node:crypto';
import { expect } from '@jest/globals';
import { systemClock } from '../../lib/clock.ts';
import { refused, RESTORE_MS, type AccountsCheck } from './accounts-world.ts';

/** What every database must do for accounts. */
export const accountsChecks: Record<string, AccountsCheck> = {
  'a first sign-in makes an account with a personal workspace, the next ones find it': async (world) => {
    const subject = randomUUID();
    const profile = { provider: 'test', subject, name: 'Ada', email: `${subject}@test.invalid` };
    const made = await Promise.all([1, 2, 3].map(() => world.users.signedIn(profile)));
    expect(new Set(made.map(({ id }) => id)).size).toBe(1);
    const again = await world.users.signedIn({ ...profile, name: 'Ada L.' });
    expect(again).toMatchObject({ id: made[0]!.id, name: 'Ada L.' });
    const { rows, total } = await world.workspaces.list(again.id);
    expect(total).toBe(1);
    expect(rows[0]).toMatchObject({ type: 'personal', role: 'owner', ownerId: again.id });
  },

  'nobody gets into an account by its e-mail address': async (world) => {
    const email = `${randomUUID()}@test.invalid`;
    const victim = await world.users.signedIn({ provider: 'test', subject: randomUUID(), name: 'V', email });
    const other = await world.users.signedIn({ provider: 'evil', subject: randomUUID(), name: 'E', email });
    expect(other.id).not.toBe(victim.id);
    expect(other.email).toBeNull();
    expect((await world.users.get(victim.id)).email).toBe(email);
  },

  'a team member sees the boards of the team, its keepers own them, a stranger sees nothing': async (
    world,
  ) => {
    const [owner, admin, member, stranger] = await Promise.all([1, 2, 3, 4].map(() => world.person()));
    const team = await world.team(owner!);
    await world.workspaceMembers.add(owner!, team, { memberId: admin!, role: 'admin' });
    await world.workspaceMembers.add(admin!, team, { memberId: member!, role: 'member' });
    const board = await world.board(owner!, team);
    const roles = await Promise.all(
      [owner, admin, member, stranger].map((user) => world.permissions.roleOn(board, user!)),
    );
    expect(roles.map((found) => found?.role)).toEqual(['owner', 'owner', 'viewer', undefined]);
    expect(roles[0]!.tenantId).toBe(team);
    expect((await world.boards.list(member!, team)).rows.map(({ id, role }) => [id, role])).toEqual([
      [board, 'viewer'],
    ]);
    await expect(world.boards.get(stranger!, board)).rejects.toEqual(refused('BOARD_NOT_FOUND'));
    await expect(world.boards.list(stranger!, team)).rejects.toEqual(refused('WORKSPACE_NOT_FOUND'));
    await expect(world.boards.update(member!, board, { name: 'x' })).rejects.toEqual(refused('FORBIDDEN'));
  },

  'the last owner can neither leave nor be demoted; after a transfer she can': async (world) => {
    const [owner, other] = await Promise.all([1, 2].map(() => world.person()));
    const board = await world.board(owner!);
    await world.join(owner!, board, other!, 'editor');
    const self = { boardId: board, memberId: owner! };
    await expect(world.boardMembers.remove(owner!, self)).rejects.toEqual(refused('LAST_OWNER'));
    await expect(world.boardMembers.update(owner!, self, { role: 'viewer' })).rejects.toEqual(
      refused('LAST_OWNER'),
    );
    await world.boardMembers.transfer(owner!, { boardId: board, memberId: other! });
    expect(await world.owners(board)).toBe(1);
    await world.boardMembers.remove(owner!, self);
    expect(await world.owners(board)).toBe(1);
  },

  'who leaves a workspace leaves its boards, and none of them is without an owner': async (world) => {
    const [owner, member] = await Promise.all([1, 2].map(() => world.person()));
    const team = await world.team(owner!);
    await world.workspaceMembers.add(owner!, team, { memberId: member!, role: 'member' });
    const board = await world.board(member!, team);
    await world.workspaceMembers.remove(member!, { workspaceId: team, memberId: member! });
    expect(await world.permissions.roleOn(board, member!)).toBeUndefined();
    expect(await world.owners(board)).toBe(1);
    await expect(
      world.workspaceMembers.remove(owner!, { workspaceId: team, memberId: owner! }),
    ).rejects.toEqual(refused('LAST_OWNER'));
  },

  'owners who demote or remove each other at the same time leave one': async (world) => {
    for (let round = 0; round < 5; round++) {
      const people = await Promise.all([1, 2, 3].map(() => world.person()));
      const board = await world.board(people[0]!);
      await world.join(people[0]!, board, people[1]!, 'owner');
      await world.join(people[0]!, board, people[2]!, 'owner');
      await Promise.allSettled(
        people.flatMap((actor) =>
          people.map((memberId, at) =>
            at % 2 === 0
              ? world.boardMembers.update(actor, { boardId: board, memberId }, { role: 'viewer' })
              : world.boardMembers.remove(actor, { boardId: board, memberId }),
          ),
        ),
      );
      expect(await world.owners(board)).toBeGreaterThanOrEqual(1);
      const team = await world.team(people[0]!);
      for (const memberId of people.slice(1))
        await world.workspaceMembers.add(people[0]!, team, { memberId, role: 'owner' });
      await Promise.allSettled(
        people.flatMap((actor) =>
          people.map((memberId) =>
            world.workspaceMembers.update(actor, { workspaceId: team, memberId }, { role: 'member' }),
          ),
        ),
      );
      expect(await world.workspaceOwners(team)).toBeGreaterThanOrEqual(1);
    }
  },

  'a deleted board is closed at once, and restored only in time': async (world) => {
    const [owner, editor] = await Promise.all([1, 2].map(() => world.person()));
    const board = await world.board(owner!);
    await world.join(owner!, board, editor!, 'editor');
    await expect(world.boards.remove(editor!, board)).rejects.toEqual(refused('FORBIDDEN'));
    await world.boards.remove(owner!, board);
    expect(await world.permissions.roleOn(board, owner!)).toBeUndefined();
    await expect(world.boards.get(owner!, board)).rejects.toEqual(refused('BOARD_NOT_FOUND'));
    await expect(world.boards.restore(editor!, board)).rejects.toEqual(refused('BOARD_NOT_FOUND'));
    expect(await world.boards.restore(owner!, board)).toMatchObject({ id: board, deletedAt: null });
    expect((await world.permissions.roleOn(board, editor!))?.role).toBe('editor');
    await world.boards.remove(owner!, board);
    world.later(RESTORE_MS + 1);
    await expect(world.boards.restore(owner!, board)).rejects.toEqual(refused('RESTORE_OVER'));
  },

  'the same creation twice at once makes one, and an id that is taken is a conflict': async (world) => {
    const [owner, other] = await Promise.all([1, 2].map(() => world.person()));
    const team = await world.team(owner!);
    for (let round = 0; round < 5; round++) {
      const [id, token] = [randomUUID(), randomBytes(32).toString('base64url')];
      const [first, again] = await Promise.all(
        [1, 2].map(() => world.boards.create(owner!, team, { id, name: 'Board' })),
      );
      expect(again).toEqual(first);
      const invite = { id, token, role: 'viewer' as const };
      const links = await Promise.all([1, 2].map(() => world.invites.create(owner!, id, invite)));
      expect(links[1]).toEqual(links[0]);
      await expect(
        world.invites.create(owner!, id, {
          ...invite,
          token: token.replace(/^./, (first) => (first === 'A' ? 'B' : 'A')),
        }),
      ).rejects.toEqual(refused('ID_TAKEN'));
      const teams = await Promise.all(
        [1, 2].map(() => world.workspaces.create(owner!, { id, name: 'Team' })),
      );
      expect(teams[1]).toEqual(teams[0]);
      await expect(world.workspaces.create(other!, { id, name: 'Team' })).rejects.toEqual(
        refused('ID_TAKEN'),
      );
    }
  },

  'who has no account any more makes nothing': async (world) => {
    const nobody = randomUUID();
    await expect(world.workspaces.create(nobody, { id: randomUUID(), name: 'Team' })).rejects.toEqual(
      refused('NOT_FOUND'),
    );
  },

  'lists are paged without gaps, filtered and ordered': async (world) => {
    const owner = await world.person();
    const team = await world.team(owner);
    for (const name of ['delta', '50 %', 'Alpha', 'beta', 'gamma'])
      await world.boards.create(owner, team, { id: randomUUID(), name });
    const pages = await Promise.all(
      [1, 2, 3].map((page) => world.boards.list(owner, team, { page, pageSize: 2, sort: 'name' })),
    );
    expect(pages[0]).toMatchObject({ total: 5, page: 1, pageSize: 2, totalPages: 3 });
    const names = pages.flatMap(({ rows }) => rows.map(({ name }) => name));
    expect(new Set(names).size).toBe(5);
    const found = await world.boards.list(owner, team, { search: 'AL' });
    expect(found.rows.map(({ name }) => name)).toEqual(['Alpha']);
    expect((await world.boards.list(owner, team, { search: '%' })).total).toBe(1);
    await expect(world.boards.list(owner, team, { sort: 'createdBy' })).rejects.toEqual(refused('BAD_INPUT'));
  },

  'a deleted board is purged when its time is over, document by document, and not before': async (world) => {
    const owner = await world.person();
    const team = await world.team(owner);
    const [gone, kept] = [await world.board(owner, team), await world.board(owner, team)];
    const left = new Map([
      [gone, ['a', 'b', 'c']],
      [kept, ['d']],
    ]);
    let failures = 1;
    const purge = world.purge(left, () => {
      if (failures-- > 0) throw new Error('the persister is away');
    });
    await world.boards.remove(owner, gone);
    await purge.look();
    expect(left.get(gone)).toHaveLength(3);
    world.later(RESTORE_MS + 1);
    await expect(purge.look()).rejects.toThrow('away');
    await expect(world.boards.restore(owner, gone)).rejects.toEqual(refused('RESTORE_OVER'));
    await purge.look();
    expect([...left.values()]).toEqual([[], ['d']]);
    await expect(world.boards.restore(owner, gone)).rejects.toEqual(refused('BOARD_NOT_FOUND'));
    expect((await world.boards.list(owner, team)).rows.map(({ id }) => id)).toEqual([kept]);
    await world.workspaces.remove(owner, team);
    world.later(RESTORE_MS + 1);
    await purge.look();
    expect([...left.values()]).toEqual([[], []]);
    expect(await world.rowsOf('workspaces', team)).toBe(0);
  },

  'a board of which something stays is left to the next look, and others do not wait for it': async (
    world,
  ) => {
    const owner = await world.person();
    const team = await world.team(owner);
    const [stuck, gone] = [await world.board(owner, team), await world.board(owner, team)];
    const left = new Map([
      [stuck, ['a']],
      [gone, ['b']],
    ]);
    let nowMs = 0;
    const clock = { ...systemClock, now: () => (nowMs += 5_000) };
    let isMadeAgain = true;
    let deletions = 0;
    const purge = world.purge(
      left,
      (docId) => {
        if (docId !== 'a') return;
        deletions++;
        // Somebody makes it again at once: there it is.
        if (isMadeAgain) queueMicrotask(() => left.set(stuck, ['a']));
      },
      clock,
    );
    await world.boards.remove(owner, stuck);
    await world.boards.remove(owner, gone);
    world.later(RESTORE_MS + 1);
    await purge.look();
    expect(deletions).toBe(1);
    expect(await world.rowsOf('boards', stuck)).toBe(1);
    expect(await world.rowsOf('boards', gone)).toBe(0);
    isMadeAgain = false;
    await purge.look();
    expect(await world.rowsOf('boards', stuck)).toBe(0);
  },
};
