import { randomUUID } from 'node:crypto';
import { expect } from '@jest/globals';
import { MAX_RULES } from '../../lib/accounts/document-rules.ts';
import type { BoardRole, WriterRole } from '../../lib/accounts/rules.ts';
import { waitFor } from '../support/wait.ts';
import { refused, RESTORE_MS, type AccountsCheck } from './accounts-world.ts';

interface Told {
  id: number;
  tenantId?: string;
  userId?: string;
}

/** What every database must do so that the gateways hear of changed rights. */
export const rightsChecks: Record<string, AccountsCheck> = {
  'every change of rights is recorded with it, a refused one is not': async (world) => {
    const [owner, editor] = await Promise.all([1, 2].map(() => world.person()));
    const team = await world.team(owner!);
    const board = await world.board(owner!, team);
    await world.join(owner!, board, editor!, 'editor');
    const target = { boardId: board, memberId: editor! };
    await world.boardMembers.update(owner!, target, { role: 'viewer' });
    await expect(world.boardMembers.update(editor!, target, { role: 'owner' })).rejects.toEqual(
      refused('FORBIDDEN'),
    );
    await world.boardMembers.remove(owner!, target);
    await world.boards.remove(owner!, board);
    await world.boards.restore(owner!, board);
    await world.workspaces.remove(owner!, team);
    const ofEditor = { tenantId: team, roomId: board, userId: editor! };
    expect(await world.changes(team)).toEqual([
      { tenantId: team, roomId: board },
      ofEditor,
      ofEditor,
      { ...ofEditor, revoked: true },
      { tenantId: team, roomId: board, revoked: true },
      { tenantId: team, roomId: board },
      { tenantId: team, revoked: true },
    ]);
  },

  'a role is said to be gone only when none is left': async (world) => {
    const [owner, member, guest] = await Promise.all([1, 2, 3].map(() => world.person()));
    const team = await world.team(owner!);
    const board = await world.board(owner!, team);
    await world.workspaceMembers.add(owner!, team, { memberId: member!, role: 'member' });
    for (const user of [member!, guest!]) await world.join(owner!, board, user, 'editor');
    const last = async () => (await world.changes(team)).at(-1);
    await world.boardMembers.remove(owner!, { boardId: board, memberId: member! });
    // She sees it on as a member of the team.
    expect(await last()).toEqual({ tenantId: team, roomId: board, userId: member });
    expect((await world.permissions.roleOn(board, member!))?.role).toBe('viewer');
    await world.boardMembers.remove(guest!, { boardId: board, memberId: guest! });
    expect(await last()).toEqual({ tenantId: team, roomId: board, userId: guest, revoked: true });
    await world.workspaceMembers.update(owner!, { workspaceId: team, memberId: member! }, { role: 'admin' });
    expect(await last()).toEqual({ tenantId: team, userId: member });
    await world.workspaceMembers.remove(member!, { workspaceId: team, memberId: member! });
    expect(await last()).toEqual({ tenantId: team, userId: member, revoked: true });
    expect(await world.permissions.roleOn(board, member!)).toBeUndefined();
  },

  'who is taken from a board and put into the team at the same time is never said to be gone for good':
    async (world) => {
      const owner = await world.person();
      const team = await world.team(owner);
      const board = await world.board(owner, team);
      for (let round = 0; round < 8; round++) {
        const guest = await world.person();
        await world.join(owner, board, guest, 'editor');
        await Promise.all([
          world.boardMembers.remove(owner, { boardId: board, memberId: guest }),
          world.workspaceMembers.add(owner, team, { memberId: guest, role: 'member' }),
        ]);
        expect((await world.permissions.roleOn(board, guest))?.role).toBe('viewer');
        const ofGuest = (await world.changes(team)).filter(({ userId }) => userId === guest);
        expect(ofGuest.at(-1)).not.toHaveProperty('revoked');
      }
    },

  'who is given a role on a board while she is taken out of its workspace has none': async (world) => {
    const owner = await world.person();
    const team = await world.team(owner);
    const board = await world.board(owner, team);
    for (let round = 0; round < 5; round++) {
      const member = await world.person();
      await world.workspaceMembers.add(owner, team, { memberId: member, role: 'member' });
      const [given] = await Promise.allSettled([
        world.boardMembers.update(owner, { boardId: board, memberId: member }, { role: 'editor' }),
        world.workspaceMembers.remove(owner, { workspaceId: team, memberId: member }),
      ]);
      if (given.status === 'rejected') expect(given.reason).toEqual(refused('MEMBER_NOT_FOUND'));
      expect(await world.permissions.roleOn(board, member)).toBeUndefined();
      const ofMember = (await world.changes(team)).filter(({ userId }) => userId === member);
      expect(ofMember.at(-1)).toMatchObject({ revoked: true });
    }
  },

  'a board that is made while its workspace is deleted is deleted with it': async (world) => {
    for (let round = 0; round < 5; round++) {
      const owner = await world.person();
      const team = await world.team(owner);
      const [made] = await Promise.allSettled([
        world.board(owner, team),
        world.workspaces.remove(owner, team),
        world.board(owner, team),
      ]);
      expect(await world.openBoards(team)).toBe(0);
      if (made.status === 'fulfilled')
        expect(await world.permissions.roleOn(made.value, owner)).toBeUndefined();
    }
  },

  'recorded changes go to the control topic once it takes them, in order, and none is lost while it does not':
    async (world) => {
      const taken: Told[] = [];
      let isAway = true;
      const relays = [1, 2].map(() =>
        world.relay(async (record) => {
          if (isAway) throw new Error('the log is away');
          taken.push(JSON.parse(record) as Told);
        }),
      );
      const owner = await world.person();
      const team = await world.team(owner);
      const board = await world.board(owner, team);
      const guests = await Promise.all([1, 2, 3].map(() => world.person()));
      for (const guest of guests) await world.join(owner, board, guest, 'editor');
      for (const relay of relays) relay.wake();
      await waitFor(() => world.relayFailures > 1, { what: 'tried in vain' });
      expect(await world.changes(team)).toHaveLength(4);
      isAway = false;
      await waitFor(async () => (await world.changes(team)).length === 0, { what: 'all are in the log' });
      await Promise.all(relays.map((relay) => relay.stop()));
      // Both may say a change: by its id it is one.
      const ofTeam = new Map(
        taken.filter(({ tenantId }) => tenantId === team).map((told) => [told.id, told]),
      );
      expect([...ofTeam.values()].map(({ userId }) => userId)).toEqual([undefined, ...guests]);
      expect([...ofTeam.keys()]).toEqual([...ofTeam.keys()].sort((a, b) => a - b));
    },

  'a change is told at once by the process that has made it, and by no other one before its next look':
    async (world) => {
      const taken: string[] = [];
      const relay = world.relay(async (record) => void taken.push(record), 3_600_000);
      relay.wake();
      const owner = await world.person();
      const team = await world.team(owner);
      world.onRightsChanged = () => relay.wake();
      await world.board(owner, team);
      await waitFor(() => taken.some((record) => record.includes(team)), { what: 'it is told' });
      await relay.stop();
    },

  'nothing waits for the log while changes are told': async (world) => {
    const owner = await world.person();
    const team = await world.team(owner);
    await world.board(owner, team);
    let isDone = false;
    const relay = world.relay(async () => {
      // With the one connection of PGlite this would never come to its end inside a transaction.
      await world.person();
      isDone = true;
    });
    relay.wake();
    await waitFor(() => isDone, { what: 'others go on while the log is written' });
    await waitFor(async () => (await world.changes(team)).length === 0);
    await relay.stop();
  },

  'documents of a board may need more than the board: for whom they are fewer, and nobody gets more': async (
    world,
  ) => {
    const [owner, editor, viewer] = await Promise.all([1, 2, 3].map(() => world.person()));
    const team = await world.team(owner!);
    const board = await world.board(owner!, team);
    await world.join(owner!, board, editor!, 'editor');
    await world.join(owner!, board, viewer!, 'viewer');
    const set = (document: string, rule: { read?: BoardRole; write?: WriterRole } = {}) =>
      world.documentRules.set(owner!, board, { id: randomUUID(), document, ...rule });
    const limits = async (user: string) => (await world.permissions.roleOn(board, user))?.limits;
    const [plan] = [await set('plan', { write: 'owner' }), await set('secret*', { read: 'owner' })];
    await set('notes', { read: 'editor' });
    expect(await limits(owner!)).toBeUndefined();
    expect(await limits(editor!)).toEqual([
      { document: 'plan', access: 'read' },
      { document: 'secret*', access: 'none' },
    ]);
    expect(await limits(viewer!)).toEqual([
      { document: 'notes', access: 'none' },
      { document: 'secret*', access: 'none' },
    ]);
    // Who may change it has to see it.
    const { rows } = await world.documentRules.list(owner!, board);
    expect(rows.find(({ document }) => document === 'secret*')).toMatchObject({
      read: 'owner',
      write: 'owner',
    });
    // Set again it is the same rule, twice at once as well.
    const [again, twice] = await Promise.all([set('plan'), set('plan')]);
    expect([again, twice]).toEqual([
      { ...plan, write: 'editor' },
      { ...plan, write: 'editor' },
    ]);
    await world.documentRules.remove(owner!, { boardId: board, ruleId: plan.id });
    await expect(world.documentRules.remove(owner!, { boardId: board, ruleId: plan.id })).rejects.toEqual(
      refused('RULE_NOT_FOUND'),
    );
    const change = { id: randomUUID(), document: 'mine' };
    await expect(world.documentRules.set(editor!, board, change)).rejects.toEqual(refused('FORBIDDEN'));
    await expect(world.documentRules.list(editor!, board)).rejects.toEqual(refused('FORBIDDEN'));
    expect((await world.changes(team)).slice(3)).toEqual(
      Array.from({ length: 6 }, () => ({ tenantId: team, roomId: board })),
    );
    for (let n = rows.length - 1; n < MAX_RULES; n++) await set(`more-${n}`);
    await expect(set('one more')).rejects.toEqual(refused('TOO_MANY_RULES'));
  },

  'deleted boards are listed for whom may restore them, until they are purged': async (world) => {
    const [owner, admin, maker, member] = await Promise.all([1, 2, 3, 4].map(() => world.person()));
    const team = await world.team(owner!);
    for (const [memberId, role] of [
      [admin!, 'admin'],
      [maker!, 'member'],
      [member!, 'member'],
    ] as const)
      await world.workspaceMembers.add(owner!, team, { memberId, role });
    const [ofOwner, ofMaker] = [await world.board(owner!, team), await world.board(maker!, team)];
    await world.board(owner!, team);
    await world.boards.remove(owner!, ofOwner);
    await world.boards.remove(maker!, ofMaker);
    const listed = async (user: string) => {
      const { rows, total } = await world.boards.list(user, team, { deleted: true, sort: 'createdAt' });
      expect(total).toBe(rows.length);
      return rows.map(({ id }) => id);
    };
    expect(await listed(owner!)).toEqual([ofOwner, ofMaker]);
    expect(await listed(admin!)).toEqual([ofOwner, ofMaker]);
    expect(await listed(maker!)).toEqual([ofMaker]);
    expect(await listed(member!)).toEqual([]);
    const [row] = (await world.boards.list(maker!, team, { deleted: true })).rows;
    expect(Date.parse(row!.purgeAt!) - Date.parse(row!.deletedAt!)).toBe(RESTORE_MS);
    expect((await world.boards.list(owner!, team)).rows).toMatchObject([{ deletedAt: null, purgeAt: null }]);
    expect(await world.boards.restore(maker!, ofMaker)).toMatchObject({ deletedAt: null, purgeAt: null });
    expect(await listed(maker!)).toEqual([]);
    world.later(RESTORE_MS + 1);
    expect(await listed(owner!)).toEqual([]);
    await expect(world.boards.list(await world.person(), team, { deleted: true })).rejects.toEqual(
      refused('WORKSPACE_NOT_FOUND'),
    );
  },
};
