import { BOARD_ROLE_CHANGES, BOARD_ROLE_OF_WORKSPACE, BOARD_ROLES, type WorkspaceRole } from './rules.ts';

/** The rules of lib/accounts/rules.ts for whole lists of people: SQL made from them, of expressions that are columns. */

/** From 1, the least; null for no role. */
export function rankOf(role: string, roles: readonly string[]): string {
  return `array_position(array[${quoted(roles)}], ${role})`;
}

/** What a role in a workspace is worth on its boards; null for none. */
export function inheritedRole({ type, role }: { type: string; role: string }): string {
  const cases = Object.entries(BOARD_ROLE_OF_WORKSPACE).flatMap(([ofType, worth]) =>
    (Object.keys(worth) as WorkspaceRole[]).map(
      (workspaceRole) =>
        `when ${type} = '${ofType}' and ${role} = '${workspaceRole}' then '${worth[workspaceRole]}'`,
    ),
  );
  return `case ${cases.join(' ')} end`;
}

/** Whether the inherited role is the one that counts: the higher one does, and of equal ones the own. */
export function isInherited(own: string, inherited: string): string {
  return `coalesce(${boardRank(inherited)}, 0) > coalesce(${boardRank(own)}, 0)`;
}

/** The role that counts; null for none. */
export function countingRole(own: string, inherited: string): string {
  return `case when ${isInherited(own, inherited)} then ${inherited} else ${own} end`;
}

/** Whether who has the one role may give the other; null or false for who has none. */
export function mayGive(actor: string, role: string): string {
  const able = BOARD_ROLES.filter((each) => BOARD_ROLE_CHANGES[each].to.length > 0);
  const cases = able.map((each) => `when '${each}' then ${role} in (${quoted(BOARD_ROLE_CHANGES[each].to)})`);
  return `case ${actor} ${cases.join(' ')} else false end`;
}

export const boardRank = (role: string) => rankOf(role, BOARD_ROLES);

const quoted = (texts: readonly string[]) => texts.map((text) => `'${text}'::text`).join(', ');
