import { AccessChangeEntity } from './entities.ts';
import type { EntityManager } from './context.ts';

/**
 * A change of rights that the gateways must hear of. What is left out means all: without `roomId` every room of the
 * tenant, without `tenantId` every room there is, without `userId` everybody.
 */
export interface AccessChange {
  tenantId?: string;
  roomId?: string;
  userId?: string;
  /** The session has ended: its access tokens open nothing any more. */
  sessionId?: string;
}

/** Written in the transaction of the change itself, so that neither can be without the other. */
export function recordAccessChange(em: EntityManager, change: AccessChange): void {
  em.create(AccessChangeEntity, { change: { ...change } }, { persist: true });
}
