import { roleInRooms } from '../accounts/principal.ts';
import type { Config } from '../config.ts';
import type { AccessControl, DocumentAccess } from './port.ts';

const NONE: DocumentAccess = { read: false, write: false };

/**
 * Open to everybody with AUTH=none. Otherwise a connection is what its token says, by `identify` (without one
 * everybody is refused), and may use the rooms that the token itself names.
 */
export function createAccessControl(
  config: Pick<Config, 'auth' | 'tenant'>,
  identify: AccessControl['identify'] = async () => ({ ok: false, code: 'UNAUTHENTICATED' }),
): AccessControl {
  if (config.auth === 'none')
    return {
      identify: async () => ({ ok: true, identity: { tenantId: config.tenant } }),
      mayUse: () => ({ read: true, write: true }),
    };
  return {
    identify,
    mayUse({ rooms }, { roomId }) {
      const role = roleInRooms(rooms, roomId);
      return role === undefined ? NONE : { read: true, write: role !== 'viewer' };
    },
  };
}
