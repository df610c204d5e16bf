import type { ServiceBroker } from 'moleculer';
import type { TokenVerifier } from '../accounts/tokens.ts';
import { createAccessControl } from '../gateway/access-control.ts';
import { createAccountAccess } from '../gateway/account-access.ts';
import { createIdentify } from '../gateway/identify.ts';
import type { AccessControl } from '../gateway/port.ts';
import { RoomRoles, type RoleAnswer } from '../gateway/room-roles.ts';
import type { Runtime } from './runtime.ts';
import { tokenVerifierOf } from './token-verifier.ts';

/** A look-up that takes longer fails; the client is told to try again. */
const LOOK_UP_LIMIT_MS = 3_000;

/** How the gateway decides about people: by the permissions service with `AUTH=accounts`. */
export function openAccess(
  broker: Pick<ServiceBroker, 'call'>,
  runtime: Runtime,
): { access: AccessControl; roles?: RoomRoles } {
  const { config, clock, logger } = runtime;
  const verify: TokenVerifier = (token) => tokenVerifierOf(runtime)(token);
  const control = createAccessControl(config, createIdentify({ config, verify, clock, logger }));
  if (config.auth !== 'accounts') return { access: control };
  const roles = new RoomRoles({
    clock,
    ttlMs: config.accessTtlMs,
    lookUp: async (userId, roomId): Promise<RoleAnswer> => {
      const options = { timeout: LOOK_UP_LIMIT_MS };
      const answer: RoleAnswer | null = await broker.call('permissions.get', { userId, roomId }, options);
      return answer ?? undefined;
    },
  });
  const people = createAccountAccess(roles, control.identify);
  return {
    // A server's token names its rooms itself.
    access: { ...people, mayUse: (who, room) => (who.rooms ? control : people).mayUse(who, room) },
    roles,
  };
}
