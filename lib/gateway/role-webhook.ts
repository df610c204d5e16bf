import { createHmac } from 'node:crypto';
import { BOARD_ROLES, type BoardRole } from '../accounts/rules.ts';
import type { Clock } from '../clock.ts';
import { AppError } from '../errors.ts';
import type { RoleAnswer } from './room-roles.ts';

/*
 * POST, application/json: { "userId": string, "tenantId": string, "roomId": string }
 *
 * signed as Standard Webhooks say: webhook-id, webhook-timestamp (seconds), webhook-signature: "v1," and the base64 of
 * HMAC-SHA256 over `id.timestamp.body`, with the bytes of the secret behind "whsec_".
 *
 * Answer: 200 { "role": "viewer" | "editor" | "owner" | null }, or 404 { "role": null }. Everything else says nothing.
 */

export interface RoleWebhookParts {
  url: string;
  /** `whsec_` and base64. */
  secret: string;
  /** The answer is waited for so long, in ms. */
  limitMs: number;
  clock: Pick<Clock, 'wallTime'>;
  randomId: () => string;
}

const SECRET_PREFIX = 'whsec_';
const MAX_ANSWER_BYTES = 4_096;

/**
 * Asks another product who has which role in a room. Rejects with SERVICE_UNAVAILABLE when it cannot be told now: no
 * answer, an error, or something else than a role.
 */
export function createRoleWebhook({ url, secret, limitMs, clock, randomId }: RoleWebhookParts) {
  const key = Buffer.from(secret.slice(SECRET_PREFIX.length), 'base64');
  return async (userId: string, roomId: string, tenantId: string): Promise<RoleAnswer> => {
    const body = JSON.stringify({ userId, tenantId, roomId });
    const id = `msg_${randomId()}`;
    const timestamp = String(Math.floor(clock.wallTime() / 1_000));
    const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64');
    const role = await roleFrom(() =>
      fetch(url, {
        method: 'POST',
        body,
        headers: {
          'content-type': 'application/json',
          accept: 'application/json',
          'webhook-id': id,
          'webhook-timestamp': timestamp,
          'webhook-signature': `v1,${signature}`,
        },
        // Another address may be anybody's, and would get the question.
        redirect: 'error',
        signal: AbortSignal.timeout(limitMs),
      }),
    );
    return role === null ? undefined : { role, tenantId };
  };
}

async function roleFrom(ask: () => Promise<Response>): Promise<BoardRole | null> {
  let status: number | undefined;
  try {
    const response = await ask();
    status = response.status;
    const text = await textOf(response);
    const { role } = JSON.parse(text) as { role?: unknown };
    // A mere 404 may be a wrong address: it must not be taken for "nobody may".
    if (role === null && (status === 200 || status === 404)) return null;
    if (status === 200 && isRole(role)) return role;
  } catch (error) {
    throw unavailable(status, error);
  }
  throw unavailable(status);
}

function unavailable(status: number | undefined, cause?: unknown): AppError {
  const message = `The webhook does not say a role${status === undefined ? '' : ` (${status})`}.`;
  return new AppError('SERVICE_UNAVAILABLE', { message, ...(cause === undefined ? {} : { cause }) });
}

/** No more than a role needs is read. */
async function textOf({ body }: Response): Promise<string> {
  // The types are those of browsers; Node's bodies can be read like this.
  const parts = (body ?? []) as unknown as AsyncIterable<Uint8Array>;
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of parts) {
    bytes += chunk.byteLength;
    if (bytes > MAX_ANSWER_BYTES) throw new Error('The answer is too long.');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function isRole(value: unknown): value is BoardRole {
  return (BOARD_ROLES as readonly unknown[]).includes(value);
}
