import type { ServiceBroker } from 'moleculer';
import type { TokenVerifier } from '../accounts/tokens.ts';
import { createAccessControl } from '../gateway/access-control.ts';
import { createAccountAccess } from '../gateway/account-access.ts';
import { createIdentify } from '../gateway/identify.ts';
import type { AccessControl } from '../gateway/port.ts';
import { createRoleWebhook } from '../gateway/role-webhook.ts';
import { RoomRoles, type RoleAnswer, type RoomRolesParts } from '../gateway/room-roles.ts';
import { SharedRoles } from '../gateway/shared-roles.ts';
import { openRoleCache } from './role-cache.ts';
import type { Runtime } from './runtime.ts';
import { tokenVerifierOf } from './token-verifier.ts';

/** A look-up that takes longer fails; the client is told to try again. */
const LOOK_UP_LIMIT_MS = 3_000;

const sharedRoles = new WeakMap<ServiceBroker, SharedRoles>();

/**
 * How the gateway decides about people with `AUTH=accounts`: by what it remembers, by what the gateways share (with
 * `REDIS_URL`), by the permissions service. With `AUTH=jwt` by the token, or by what it remembers and the webhook.
 */
export function openAccess(
  broker: ServiceBroker,
  runtime: Runtime,
): { access: AccessControl; roles?: RoomRoles; revokedTokens?: () => Promise<string[]> } {
  const { config, clock, logger } = runtime;
  const verify: TokenVerifier = (token) => tokenVerifierOf(runtime)(token);
  const control = createAccessControl(config, createIdentify({ config, verify, clock, logger }));
  const together = (people: AccessControl): AccessControl => ({
    ...people,
    // A token that names its rooms itself is asked for nothing more.
    mayUse: (who, room) => (who.rooms ? control : people).mayUse(who, room),
  });
  if (config.auth === 'jwt' && config.jwtWebhookUrl !== '') {
    const roles = new RoomRoles({ clock, ttlMs: config.accessTtlMs, lookUp: webhookOf(runtime) });
    return { access: together(createAccountAccess(roles, control.identify)), roles };
  }
  if (config.auth !== 'accounts') return { access: control };
  const lookUp = async (userId: string, roomId: string): Promise<RoleAnswer> => {
    const options = { timeout: LOOK_UP_LIMIT_MS };
    const answer: RoleAnswer | null = await broker.call('permissions.get', { userId, roomId }, options);
    return answer ?? undefined;
  };
  const decisions = { clock, ttlMs: config.accessTtlMs, lookUp };
  let shared = sharedRoles.get(broker);
  if (!shared && config.redisUrl !== '') {
    shared = new SharedRoles({
      ...decisions,
      cache: openRoleCache(broker, runtime),
      randomId: runtime.randomId,
    });
    sharedRoles.set(broker, shared);
  }
  const roles = new RoomRoles({ ...decisions, ...(shared ? { shared } : {}) });
  const access = together(createAccountAccess(roles, control.identify));
  return { access, roles, revokedTokens: () => askRevoked(broker) };
}

/** All pages of the auth service's list. */
async function askRevoked(broker: Pick<ServiceBroker, 'call'>): Promise<string[]> {
  const found: string[] = [];
  for (;;) {
    const after = found.at(-1);
    const params = after === undefined ? {} : { after };
    const options = { timeout: LOOK_UP_LIMIT_MS };
    const { ids }: { ids: string[] } = await broker.call('auth.revokedTokens.list', params, options);
    if (ids.length === 0) return found;
    found.push(...ids);
  }
}

function webhookOf({ config, clock, randomId }: Runtime): RoomRolesParts['lookUp'] {
  const { jwtWebhookUrl: url, jwtWebhookSecret: secret, tenant } = config;
  const ask = createRoleWebhook({ url, secret, limitMs: LOOK_UP_LIMIT_MS, clock, randomId });
  return (userId, roomId, tenantId = tenant) => ask(userId, roomId, tenantId);
}
