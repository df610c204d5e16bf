import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from '../log.ts';
import { createSecretCheck } from './internal-secret.ts';

export interface PermissionDoorParts {
  /** Shared with the systems that ask. */
  secret: string;
  /** The role that counts; undefined for a stranger and for no such board. */
  roleOn: (boardId: string, userId: string) => Promise<string | undefined>;
  logger: Logger;
}

const PATH = /^\/internal\/boards\/([^/]+)\/permission$/;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/**
 * `GET /internal/boards/:id/permission?userId=` with `Authorization: Internal-Secret <secret>` answers `{"role": …}`,
 * null for a stranger. For other systems of the operator; only on the internal listener.
 */
export function createPermissionDoor({ secret, roleOn, logger }: PermissionDoorParts) {
  const isSecret = createSecretCheck(secret);
  const answer = (response: ServerResponse, status: number, body: object) =>
    response
      .writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' })
      .end(JSON.stringify(body));

  return (request: IncomingMessage, response: ServerResponse): boolean => {
    const url = new URL(request.url ?? '/', 'http://internal');
    const boardId = PATH.exec(url.pathname)?.[1];
    if (boardId === undefined) return false;
    if (!isSecret(request)) answer(response, 401, { code: 'UNAUTHENTICATED' });
    else if (request.method !== 'GET') answer(response, 405, { code: 'METHOD_NOT_ALLOWED' });
    else {
      const userId = url.searchParams.get('userId') ?? '';
      if (!UUID.test(boardId) || !UUID.test(userId)) answer(response, 422, { code: 'BAD_INPUT' });
      else
        roleOn(boardId, userId).then(
          (role) => answer(response, 200, { role: role ?? null }),
          (error: unknown) => {
            logger.warn({ err: error }, 'permission asked from outside not looked up');
            answer(response, 503, { code: 'STORE_UNAVAILABLE' });
          },
        );
    }
    return true;
  };
}
