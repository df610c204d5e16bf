import { randomUUID } from 'node:crypto';
import { expect } from '@jest/globals';
import { MAX_PAGE_SIZE } from '../../lib/accounts/paging.ts';
import { refused, type AccountsCheck, type AccountsWorld } from './accounts-world.ts';

/** As people expect them, whatever the collation of the database. */
const NAMES = [
  '50 %',
  'alpha',
  'Émile',
  'emilia',
  'Zoë',
  'Łukasz',
  'łza',
  'öde',
  'Ωmega',
  'ωna',
  'Ёж',
  'ель',
];
/** Accents and capitals do not count; letters of their own follow, script by script. */
const ORDERED = [
  ...['50 %', 'alpha', 'Émile', 'emilia', 'öde', 'Zoë'],
  ...['Łukasz', 'łza', 'Ωmega', 'ωna', 'Ёж', 'ель'],
];

async function peopleNamed(world: AccountsWorld, names: readonly string[]): Promise<Map<string, string>> {
  const ids = new Map<string, string>();
  for (const name of names) ids.set(name, await world.person(name));
  return ids;
}

/** Rows of all pages, which have to fit together. */
async function allOf<Row>(
  list: (page: number) => Promise<{ rows: Row[]; total: number; totalPages: number }>,
): Promise<Row[]> {
  const rows: Row[] = [];
  for (let page = 1; ; page++) {
    const found = await list(page);
    rows.push(...found.rows);
    if (page < found.totalPages) continue;
    expect(rows).toHaveLength(found.total);
    return rows;
  }
}

const namesOf = (rows: readonly { name: string }[]) => rows.map(({ name }) => name);

/** What every database must do for lists: the same order, and the same filters. */
export const listChecks: Record<string, AccountsCheck> = {
  'names are ordered and found without regard to capitals and accents': async (world) => {
    const owner = await world.person('Owner');
    const team = await world.team(owner);
    for (const name of NAMES) await world.boards.create(owner, team, { id: randomUUID(), name });
    const paged = (sort: string) => (page: number) =>
      world.boards.list(owner, team, { sort, page, pageSize: 5 });
    expect(namesOf(await allOf(paged('name')))).toEqual(ORDERED);
    expect(namesOf(await allOf(paged('-name')))).toEqual([...ORDERED].reverse());
    for (const [search, found] of [
      ['EMI', ['Émile', 'emilia']],
      ['émi', ['Émile', 'emilia']],
      ['zoe', ['Zoë']],
      ['ŁU', ['Łukasz']],
      ['ΩN', ['ωna']],
      ['ЕЖ', ['Ёж']],
      [' %', ['50 %']],
      ['_', []],
      ['\\', []],
    ] as const)
      expect(namesOf((await world.boards.list(owner, team, { sort: 'name', search })).rows)).toEqual(found);

    for (const name of NAMES) await world.workspaces.create(owner, { id: randomUUID(), name });
    const teams = await world.workspaces.list(owner, { type: 'team', pageSize: MAX_PAGE_SIZE });
    expect(namesOf(teams.rows).filter((name) => name !== 'Team')).toEqual(ORDERED);
  },

  'workspaces are filtered by type': async (world) => {
    const owner = await world.person();
    const team = await world.team(owner);
    const idsOf = async (type?: 'personal' | 'team') => {
      const { rows, total } = await world.workspaces.list(owner, {
        sort: 'createdAt',
        ...(type ? { type } : {}),
      });
      expect(total).toBe(rows.length);
      return rows.map((row) => `${row.type} ${row.id}`);
    };
    expect(await idsOf('team')).toEqual([`team ${team}`]);
    const personal = await idsOf('personal');
    expect(personal).toEqual([expect.stringMatching(/^personal /)]);
    expect(await idsOf()).toEqual([...personal, `team ${team}`]);
  },

  'members of a workspace are ordered by what they are, and filtered by it': async (world) => {
    const ids = await peopleNamed(world, ['b owner', 'admin', 'Zoe', 'émile', 'Emil', 'A owner']);
    const of = (name: string) => ids.get(name)!;
    const team = await world.team(of('b owner'));
    for (const [name, role] of [
      ['Zoe', 'member'],
      ['A owner', 'owner'],
      ['émile', 'member'],
      ['admin', 'admin'],
      ['Emil', 'member'],
    ] as const)
      await world.workspaceMembers.add(of('b owner'), team, { memberId: of(name), role });
    const listed = (query: object) =>
      allOf((page) => world.workspaceMembers.list(of('Zoe'), team, { page, pageSize: 2, ...query }));
    const members = ['Emil', 'émile', 'Zoe'];
    expect(namesOf(await listed({}))).toEqual(['A owner', 'admin', 'b owner', ...members]);
    expect(namesOf(await listed({ sort: 'role' }))).toEqual([...members, 'admin', 'A owner', 'b owner']);
    expect(namesOf(await listed({ sort: '-role' }))).toEqual(['A owner', 'b owner', 'admin', ...members]);
    expect(namesOf(await listed({ role: 'member', search: 'EMIL' }))).toEqual(['Emil', 'émile']);
    expect(namesOf(await listed({ role: 'owner', sort: '-name' }))).toEqual(['b owner', 'A owner']);
    await expect(listed({ sort: 'email' })).rejects.toEqual(refused('BAD_INPUT'));
  },

  'members of a board are all who reach it, with the role that counts': async (world) => {
    const names = ['Maker', 'keeper', 'admin', 'colleague', 'promoted', 'lowered', 'guest'];
    const ids = await peopleNamed(world, names);
    const of = (name: string) => ids.get(name)!;
    const team = await world.team(of('keeper'));
    for (const [name, role] of [
      ['Maker', 'member'],
      ['admin', 'admin'],
      ['colleague', 'member'],
      ['promoted', 'member'],
      ['lowered', 'admin'],
    ] as const)
      await world.workspaceMembers.add(of('keeper'), team, { memberId: of(name), role });
    const board = await world.board(of('Maker'), team);
    await world.join(of('Maker'), board, of('guest'), 'viewer');
    const give = (name: string, role: 'viewer' | 'editor' | 'owner') =>
      world.boardMembers.update(of('Maker'), { boardId: board, memberId: of(name) }, { role });
    await give('promoted', 'editor');
    await give('lowered', 'viewer');
    await expect(
      world.boardMembers.update(
        of('Maker'),
        { boardId: board, memberId: await world.person() },
        { role: 'viewer' },
      ),
    ).rejects.toEqual(refused('MEMBER_NOT_FOUND'));

    const listed = async (query: object = {}) => {
      const asked = (page: number) =>
        world.boardMembers.list(of('guest'), board, { page, pageSize: 3, ...query });
      return (await allOf(asked)).map(
        ({ name, role, inherited }) => `${name}: ${role}${inherited ? ', inherited' : ''}`,
      );
    };
    const given = { editor: 'promoted: editor', maker: 'Maker: owner', guest: 'guest: viewer' };
    const colleague = 'colleague: viewer, inherited';
    const keepers = ['admin', 'keeper', 'lowered'].map((name) => `${name}: owner, inherited`);
    expect(await listed()).toEqual([
      ...[keepers[0], colleague, given.guest, keepers[1], keepers[2], given.maker, given.editor],
    ]);
    expect(await listed({ sort: 'role' })).toEqual([
      ...[colleague, given.guest, given.editor, ...keepers, given.maker],
    ]);
    expect(await listed({ role: 'viewer', sort: '-name' })).toEqual([given.guest, colleague]);
    expect(await listed({ inherited: 'false' })).toEqual([given.guest, given.maker, given.editor]);
    expect(await listed({ inherited: 'true', role: 'owner', search: 'E' })).toEqual([keepers[1], keepers[2]]);
    // Each role is the one that is enforced.
    const { rows } = await world.boardMembers.list(of('keeper'), board);
    for (const { userId, role } of rows)
      expect([userId, (await world.permissions.roleOn(board, userId))?.role]).toEqual([userId, role]);

    // What was given counts once the workspace gives less, and ends with it.
    const lowered = { workspaceId: team, memberId: of('lowered') };
    await world.workspaceMembers.update(of('keeper'), lowered, { role: 'member' });
    expect(await listed({ search: 'lowered' })).toEqual(['lowered: viewer']);
    await world.workspaceMembers.remove(of('keeper'), { workspaceId: team, memberId: of('promoted') });
    expect(await listed({ search: 'promoted' })).toEqual([]);
    expect(await world.permissions.roleOn(board, of('promoted'))).toBeUndefined();
  },

  'invites are filtered by whether they still give their role': async (world) => {
    const [owner, editor, admin, guest] = await Promise.all([1, 2, 3, 4].map(() => world.person()));
    const team = await world.team(owner!);
    await world.workspaceMembers.add(owner!, team, { memberId: admin!, role: 'admin' });
    const board = await world.board(owner!, team);
    await world.join(owner!, board, editor!, 'editor');
    // That one stays valid beside the others.
    const [first] = (await world.invites.list(owner!, board)).rows;
    const made = new Map<string, { id: string; token: string }>([['first', { id: first!.id, token: '' }]]);
    const make = async (name: string, maker: string, more: object = {}) =>
      made.set(name, await world.invites.create(maker, board, { id: randomUUID(), role: 'editor', ...more }));
    const soon = new Date(world.clock.wallTime() + 60_000);
    await make('expiring', owner!, { role: 'owner', expiresAt: soon });
    await make('single', owner!, { maxUses: 1 });
    await make('revoked', owner!, { role: 'viewer' });
    await make('of editor', editor!);
    await make('of admin', admin!, { role: 'owner', maxUses: 5 });
    const nameOf = (id: string) => [...made].find(([, invite]) => invite.id === id)?.[0];
    const listed = async (query: object = {}) => {
      const asked = (page: number) => world.invites.list(owner!, board, { page, pageSize: 2, ...query });
      return (await allOf(asked)).map(({ id, state }) => `${nameOf(id)}: ${state}`).sort();
    };
    const all = [...made.keys()].sort();
    expect(await listed({ state: 'valid' })).toEqual(all.map((name) => `${name}: valid`));
    expect(await listed({ state: 'over' })).toEqual([]);

    await world.invites.accept(guest!, made.get('single')!.token);
    await world.invites.revoke(owner!, { boardId: board, inviteId: made.get('revoked')!.id });
    await world.boardMembers.update(owner!, { boardId: board, memberId: editor! }, { role: 'viewer' });
    await world.workspaceMembers.update(owner!, { workspaceId: team, memberId: admin! }, { role: 'member' });
    world.later(61_000);
    const over = ['expiring', 'of admin', 'of editor', 'revoked', 'single'];
    expect(await listed({ state: 'over' })).toEqual(over.map((name) => `${name}: over`));
    expect(await listed({ state: 'valid' })).toEqual(['first: valid']);
    expect(await listed()).toHaveLength(made.size);
    // The list says what somebody with the link is told.
    for (const name of over)
      await expect(world.invites.preview(made.get(name)!.token)).rejects.toEqual(refused('INVITE_OVER'));
    const byRole = await allOf((page) =>
      world.invites.list(owner!, board, { page, pageSize: 2, sort: '-role' }),
    );
    expect(byRole.map(({ role }) => role)).toEqual([
      'owner',
      'owner',
      'editor',
      'editor',
      'editor',
      'viewer',
    ]);
  },
};
