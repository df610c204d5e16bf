import type { AccessChange } from '../lifecycle/access-record.ts';
import { AccessChangeEntity } from './entities.ts';
import type { EntityManager } from './context.ts';

/** Written in the transaction of the change itself, so that neither can be without the other. */
export function recordAccessChange(em: EntityManager, change: AccessChange): void {
  em.create(AccessChangeEntity, { change: { ...change } }, { persist: true });
}
