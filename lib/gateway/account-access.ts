import type { AccessControl, DocumentAccess } from './port.ts';
import type { RoleAnswer, RoomRoles } from './room-roles.ts';

const NONE: DocumentAccess = { read: false, write: false };

/** Who is let in by an access token may use a room as her role there says. */
export function createAccountAccess(roles: RoomRoles, identify: AccessControl['identify']): AccessControl {
  return {
    identify,
    mayUse({ userId }, { roomId }) {
      if (userId === undefined) return NONE;
      const answer = roles.roleOf(userId, roomId);
      return answer instanceof Promise ? answer.then(accessOf) : accessOf(answer);
    },
  };
}

function accessOf(answer: RoleAnswer): DocumentAccess {
  if (!answer) return NONE;
  return { read: true, write: answer.role !== 'viewer', tenantId: answer.tenantId };
}
