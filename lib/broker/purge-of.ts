import type { ServiceBroker } from 'moleculer';
import { BoardPurge } from '../accounts/board-purge.ts';
import type { DocumentId } from '../protocol/ids.ts';
import { accountsOf } from './accounts-of.ts';
import type { Runtime } from './runtime.ts';

type Caller = Pick<ServiceBroker, 'call'>;

interface Present {
  generation: number;
  deleted: boolean;
}

const HOUR_MS = 3_600_000;
const POLL_MS = 60_000;
const DELETE_LIMIT_MS = 30_000;

/**
 * Deletes a document in the generation that it has now. GENERATION_CONFLICT when somebody else was quicker. The key
 * is made one of this generation: a document that was made again since is deleted again.
 */
export async function deleteAsItIs(caller: Caller, document: DocumentId, key: string): Promise<void> {
  const options = { timeout: DELETE_LIMIT_MS };
  const { generation, deleted } = await caller.call<Present, object>(
    'persister.documents.inspect',
    { document },
    options,
  );
  if (deleted) return;
  const operation = { document, key: `${key}-${generation}`, expectedGeneration: generation };
  await caller.call('persister.documents.delete', operation, options);
}

/** The purge of deleted boards, by the persister's operation on documents. */
export async function purgeOf(broker: Caller, runtime: Runtime): Promise<BoardPurge> {
  const { config, clock, logger } = runtime;
  const { context } = await accountsOf(runtime);
  return new BoardPurge({
    context,
    documentsOf: async (room) => {
      const store = await runtime.store();
      return (await store.documents(room)).map(({ document }) => document);
    },
    deleteDocument: (document, key) => deleteAsItIs(broker, document, key),
    clock,
    logger: logger.child({ part: 'boards' }),
    restoreMs: config.restoreHours * HOUR_MS,
    pollMs: POLL_MS,
  });
}
