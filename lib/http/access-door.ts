import type { IncomingMessage, ServerResponse } from 'node:http';
import { AppError, isAppError } from '../errors.ts';
import type { AccessChange } from '../lifecycle/access-record.ts';
import type { Logger } from '../log.ts';
import { createSecretCheck } from './internal-secret.ts';
import { sendProblem } from './problem.ts';

export interface AccessDoorParts {
  /** Shared with the systems that tell. */
  secret: string;
  /** Resolves when every gateway will hear of it. */
  announce: (change: AccessChange) => Promise<unknown>;
  logger: Logger;
}

const PATH = '/internal/access-changes';
const FIELDS = ['userId', 'roomId', 'tenantId'] as const;
const MAX_ID_BYTES = 128;
const MAX_BODY_BYTES = 4_096;

/**
 * `POST /internal/access-changes` with `Authorization: Internal-Secret <secret>`: rights of `userId` in `roomId` of
 * `tenantId` have changed, each of them all where it is left out, not all three; with `revoked` they are gone. 202 when
 * every gateway will hear of it. Only on the internal listener.
 */
export function createAccessDoor({ secret, announce, logger }: AccessDoorParts) {
  const isSecret = createSecretCheck(secret);
  return (request: IncomingMessage, response: ServerResponse): boolean => {
    if (request.url?.split('?')[0] !== PATH) return false;
    take(request, isSecret, announce).then(
      () => response.writeHead(202, { 'cache-control': 'no-store' }).end(),
      (error: unknown) => sendProblem(response, error, logger),
    );
    return true;
  };
}

async function take(
  request: IncomingMessage,
  isSecret: ReturnType<typeof createSecretCheck>,
  announce: AccessDoorParts['announce'],
): Promise<void> {
  if (!isSecret(request)) throw new AppError('UNAUTHENTICATED');
  if (request.method !== 'POST') throw new AppError('METHOD_NOT_ALLOWED', { data: { allow: 'POST' } });
  const change = changeOf(await bodyOf(request));
  try {
    await announce(change);
  } catch (error) {
    if (isAppError(error)) throw error;
    throw new AppError('STREAM_UNAVAILABLE', { cause: error });
  }
}

function changeOf(body: unknown): AccessChange {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw new AppError('BAD_INPUT');
  const change: AccessChange = {};
  for (const [name, value] of Object.entries(body)) {
    const field = FIELDS.find((each) => each === name);
    if (field && isId(value)) change[field] = value;
    else if (name === 'revoked' && typeof value === 'boolean') change.revoked = value;
    else throw new AppError('BAD_INPUT', { data: { field: name.slice(0, 64) } });
  }
  // Everybody's rights everywhere: nobody means that.
  if (!FIELDS.some((field) => change[field] !== undefined)) throw new AppError('BAD_INPUT');
  return change;
}

function isId(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && Buffer.byteLength(value) <= MAX_ID_BYTES;
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += (chunk as Buffer).byteLength;
    if (bytes > MAX_BODY_BYTES) throw new AppError('PAYLOAD_TOO_LARGE');
    chunks.push(chunk as Buffer);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch (error) {
    throw new AppError('MALFORMED', { cause: error });
  }
}
