import type { ServiceBroker } from 'moleculer';
import { createAccessControl } from '../gateway/access-control.ts';
import { createAccountAccess } from '../gateway/account-access.ts';
import type { AccessControl } from '../gateway/port.ts';
import { RoomRoles, type RoleAnswer } from '../gateway/room-roles.ts';
import type { Runtime } from './runtime.ts';

/** A look-up that takes longer fails; the client is told to try again. */
const LOOK_UP_LIMIT_MS = 3_000;

/** How the gateway decides about people: by the permissions service with `AUTH=accounts`. */
export function openAccess(
  broker: Pick<ServiceBroker, 'call'>,
  { config, clock }: Pick<Runtime, 'config' | 'clock'>,
): { access: AccessControl; roles?: RoomRoles } {
  const control = createAccessControl(config);
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
  return { access: createAccountAccess(roles, (auth) => control.identify(auth)), roles };
}
