import type { AccessChange } from '../lifecycle/access-record.ts';
import type { Database } from '../store/database.ts';
import { AccessChangeEntity } from './entities.ts';
import type { EntityManager } from './context.ts';

const recording = new WeakSet<EntityManager>();

/** Written in the transaction of the change itself, so that neither can be without the other. */
export function recordAccessChange(em: EntityManager, change: AccessChange): void {
  em.create(AccessChangeEntity, { change: { ...change } }, { persist: true });
  recording.add(em);
}

/** Calls back once a transaction that has recorded a change of rights is committed. */
export function withChangeNotice(
  database: Pick<Database, 'entities'>,
  onRecorded: () => void,
): Pick<Database, 'entities'> {
  return {
    async entities(work) {
      let own: EntityManager | undefined;
      const result = await database.entities((em) => work((own = em)));
      if (own && recording.has(own)) onRecorded();
      return result;
    },
  };
}
