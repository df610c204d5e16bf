import {
  BOARD_ROLE_CHANGES,
  BOARD_ROLE_OF_WORKSPACE,
  BOARD_ROLES,
  BOARD_RULES,
  INVITES_REVOKED,
  mayInWorkspace,
  mayOnBoard,
  WORKSPACE_ROLE_CHANGES,
  WORKSPACE_ROLES,
  WORKSPACE_RULES,
  type BoardAction,
  type RoleChanges,
  type WorkspaceAction,
  type WorkspaceType,
} from '../../lib/accounts/rules.ts';
import { API_ROUTES, OTHER_ROUTES } from '../../lib/http/api-routes.ts';

const BEGIN = '<!-- permissions -->';
const END = '<!-- /permissions -->';

/** Who may do what, as Markdown, from lib/accounts/rules.ts and the routes of the HTTP API. */
export function permissionsTables(): string {
  const board = Object.keys(BOARD_RULES) as BoardAction[];
  const workspace = Object.keys(WORKSPACE_RULES) as WorkspaceAction[];
  const types = Object.keys(BOARD_ROLE_OF_WORKSPACE) as WorkspaceType[];
  const routes = API_ROUTES.map(({ method, path, rule }) => [`${method.toUpperCase()} ${path}`, rule]);
  return [
    '## On a board',
    table(
      ['action', ...BOARD_ROLES],
      board.map((action) => [code(action), ...BOARD_ROLES.map((role) => mark(mayOnBoard(role, action)))]),
    ),
    '## In a workspace',
    table(
      ['action', ...WORKSPACE_ROLES],
      workspace.map((action) => [
        code(action),
        ...WORKSPACE_ROLES.map((role) => mark(mayInWorkspace(role, action))),
      ]),
    ),
    '## Whose role in a workspace, and to which one',
    table(
      ['role', 'changes or takes that of', 'gives'],
      WORKSPACE_ROLES.map((role) => [role, ...changes(WORKSPACE_ROLE_CHANGES[role])]),
    ),
    '## Whose role on a board, and to which one',
    table(
      ['role', 'changes or takes that of', 'gives, or invites to', 'revokes invites'],
      BOARD_ROLES.map((role) => [role, ...changes(BOARD_ROLE_CHANGES[role]), INVITES_REVOKED[role]]),
    ),
    '## What a role in a workspace is worth on each of its boards',
    table(
      ['workspace', ...WORKSPACE_ROLES],
      types.map((type) => [type, ...WORKSPACE_ROLES.map((role) => BOARD_ROLE_OF_WORKSPACE[type][role])]),
    ),
    '## Routes',
    table(
      ['route', 'permission'],
      [...routes, ...Object.entries(OTHER_ROUTES)].map((cells) => cells.map((cell) => code(cell!))),
    ),
  ].join('\n\n');
}

/** The page with what stands between its markers replaced. */
export function replacePermissionsTables(page: string, tables: string): string {
  const [before, rest] = page.split(BEGIN) as [string, string];
  return `${before}${BEGIN}\n\n${tables}\n\n${END}${rest.split(END)[1]!}`;
}

const code = (text: string) => `\`${text}\``;
const mark = (isAllowed: boolean) => (isAllowed ? 'yes' : '–');

const changes = ({ of, to }: RoleChanges<string>) => [of, to].map((roles) => roles.join(', ') || '–');

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
