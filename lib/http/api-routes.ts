import type { ApiRoute, RouteRule } from './api-route.ts';
import { BOARD_ROUTES } from './board-routes.ts';
import { DOCUMENT_RULE_ROUTES } from './document-rule-routes.ts';
import { INVITE_ROUTES } from './invite-routes.ts';
import { WORKSPACE_ROUTES } from './workspace-routes.ts';

export type { ApiRoute, Method, RouteRule } from './api-route.ts';

/** The API, in the order of its description. */
export const API_ROUTES: readonly ApiRoute[] = [
  ...WORKSPACE_ROUTES,
  ...BOARD_ROUTES,
  ...DOCUMENT_RULE_ROUTES,
  ...INVITE_ROUTES,
];

/** Routes of the gateway that are no rows above, each with who may ask it: whatever is added has to be here or there. */
export const OTHER_ROUTES: Readonly<Record<string, RouteRule>> = {
  'GET /health': 'anyone',
  'GET /health/ready': 'anyone',
  'GET /metrics': 'anyone',
  'GET /openapi.json': 'anyone',
  'GET /api/auth/providers': 'anyone',
  'GET /api/auth/jwks': 'anyone',
  'GET /api/auth/me': 'signed-in',
  'GET /api/auth/sessions': 'signed-in',
  'DELETE /api/auth/sessions/{sessionId}': 'signed-in',
  // By the cookie of the session, from pages of the own origin.
  'POST /api/auth/refresh': 'anyone',
  'POST /api/auth/logout': 'anyone',
  'GET /api/auth/{provider}': 'anyone',
  'GET /api/auth/{provider}/callback': 'anyone',
};

/** The names in the path. */
export function pathParams({ path }: Pick<ApiRoute, 'path'>): string[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!);
}
