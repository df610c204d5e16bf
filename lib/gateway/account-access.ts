import { leftOf } from '../accounts/document-limits.ts';
import type { DocumentAddress } from '../protocol/ids.ts';
import type { AccessControl, DocumentAccess } from './port.ts';
import type { RoleAnswer, RoomRoles } from './room-roles.ts';

const NONE: DocumentAccess = { read: false, write: false };

/** Who is let in by an access token may use a document as her role in the room, and the rules of the document, say. */
export function createAccountAccess(roles: RoomRoles, identify: AccessControl['identify']): AccessControl {
  return {
    identify,
    mayUse({ userId, tenantId }, document) {
      if (userId === undefined) return NONE;
      const suffices = (given: RoleAnswer) => accessOf(given, document).read;
      const answer = roles.roleOf({ userId, roomId: document.roomId, tenantId, suffices });
      return answer instanceof Promise
        ? answer.then((late) => accessOf(late, document))
        : accessOf(answer, document);
    },
  };
}

/** What the answer about a room means for a document of it. */
export function accessOf(answer: RoleAnswer, document: DocumentAddress): DocumentAccess {
  if (!answer) return NONE;
  const { role, tenantId, limits = [] } = answer;
  const left = leftOf(limits, document);
  return { read: left.read, write: left.read && left.write && role !== 'viewer', tenantId };
}
