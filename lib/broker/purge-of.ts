import type { ServiceBroker } from 'moleculer';
import { BoardPurge } from '../accounts/board-purge.ts';
import { accountsOf } from './accounts-of.ts';
import type { Runtime } from './runtime.ts';

const HOUR_MS = 3_600_000;
const POLL_MS = 60_000;
const DELETE_LIMIT_MS = 30_000;

/** The purge of deleted boards, by the persister's operation on documents. */
export async function purgeOf(broker: Pick<ServiceBroker, 'call'>, runtime: Runtime): Promise<BoardPurge> {
  const { config, clock, logger } = runtime;
  const { context } = await accountsOf(runtime);
  return new BoardPurge({
    context,
    documentsOf: async (room) => {
      const store = await runtime.store();
      return (await store.documents(room)).map(({ document }) => document);
    },
    deleteDocument: (document, key) =>
      broker.call('persister.documents.delete', { document, key }, { timeout: DELETE_LIMIT_MS }),
    clock,
    logger: logger.child({ part: 'boards' }),
    restoreMs: config.restoreHours * HOUR_MS,
    pollMs: POLL_MS,
  });
}
