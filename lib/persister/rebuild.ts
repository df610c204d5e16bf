import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';
import { documentKey, type DocumentId } from '../protocol/ids.ts';
import type { DocumentQuery, StoreOperations } from '../store/operations.ts';
import type { RebuildOutcome } from './snapshotter.ts';

export interface RebuildParts {
  store: Pick<StoreOperations, 'documents'>;
  /** Makes the snapshot of one document anew from its rows. */
  rebuild: (at: { document: DocumentId; epoch: number; partition: number }) => Promise<RebuildOutcome>;
  clock: Clock;
  logger: Logger;
}

export interface RebuildRequest extends Omit<DocumentQuery, 'limit'> {
  limit: number;
  /** No further document is begun after this. */
  budgetMs: number;
}

export interface RebuildPage {
  rebuilt: number;
  /** Nothing to build from, deleted meanwhile, or rows are archived. */
  skipped: number;
  failed: { document: DocumentId; reason: string }[];
  /** `afterId` of the next page; absent at the end. */
  next?: number;
}

/**
 * Makes snapshots anew from the rows, one document after the other; each takes the place of the old ones in one
 * transaction, so that a rebuild may be killed, repeated, and run beside everything else.
 */
export async function rebuildPage(parts: RebuildParts, request: RebuildRequest): Promise<RebuildPage> {
  const { store, rebuild, clock, logger } = parts;
  const { limit, budgetMs, ...query } = request;
  const page: RebuildPage = { rebuilt: 0, skipped: 0, failed: [] };
  const documents = await store.documents({ ...query, limit });
  const endMs = clock.now() + budgetMs;
  for (const [n, { id, ...at }] of documents.entries()) {
    try {
      if ((await rebuild(at)) === 'rebuilt') page.rebuilt++;
      else page.skipped++;
    } catch (error) {
      const { document } = at;
      logger.warn({ err: error, document: documentKey(document) }, 'snapshot not rebuilt');
      page.failed.push({ document, reason: (error as Error).message });
    }
    const isLast = n === documents.length - 1;
    if (isLast ? documents.length === limit : clock.now() >= endMs) return { ...page, next: id };
  }
  return page;
}
