import { pause, type Clock, type TimerHandle } from '../clock.ts';
import type { Logger } from '../log.ts';
import { documentKey, type DocumentId, type DocumentKey } from '../protocol/ids.ts';
import { recordAccessChange } from './access-changes.ts';
import { nowOf, type AccountsContext } from './context.ts';
import { BoardEntity, WorkspaceEntity } from './entities.ts';

export interface BoardPurgeParts {
  context: Pick<AccountsContext, 'database' | 'clock'>;
  /** At most `limit` documents of a room that are not deleted yet. */
  documentsOf: (room: { tenantId: string; roomId: string; limit: number }) => Promise<DocumentId[]>;
  /** By the barrier in the document's own log; the same key twice is once. */
  deleteDocument: (document: DocumentId, key: string) => Promise<unknown>;
  clock: Clock;
  logger: Logger;
  /** A deleted board can be restored for so long. */
  restoreMs: number;
  pollMs: number;
}

/** After a failure, such as right after the start, when who deletes documents is not there yet; doubled each time. */
const RETRY_MS = 1_000;

const BOARDS_A_LOOK = 20;
const DOCUMENTS_A_LOOK = 100;
const STORED_POLL_MS = 200;
/** A tombstone that the store has not heard of after so long is waited for by the next look. */
const STORED_LIMIT_MS = 30_000;

/**
 * Takes away what deleted boards hold once they can no longer be restored: every document by its tombstone, which
 * reaches all copies, then the board itself, then workspaces that have none left. Repeating any step does no harm, so
 * every process may run one, and a crash is made up for by the next look.
 */
export class BoardPurge {
  readonly #parts: BoardPurgeParts;
  #timer: TimerHandle | undefined;
  #running: Promise<void> | undefined;
  #isStopped = false;
  #failures = 0;

  constructor(parts: BoardPurgeParts) {
    this.#parts = parts;
  }

  start(): void {
    if (this.#isStopped) return;
    this.#running = this.look()
      .then(
        () => (this.#failures = 0),
        (error: unknown) => {
          this.#failures++;
          this.#parts.logger.warn({ err: error }, 'deleted boards not purged: later again');
        },
      )
      .then(() => {
        this.#running = undefined;
        if (!this.#isStopped) this.#timer = this.#parts.clock.setTimeout(() => this.start(), this.#nextMs());
      });
  }

  #nextMs(): number {
    const { pollMs } = this.#parts;
    return this.#failures === 0 ? pollMs : Math.min(pollMs, RETRY_MS * 2 ** (this.#failures - 1));
  }

  /** Resolves when what is under way has ended. Idempotent. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    await this.#running;
  }

  /** Purges what is due now. */
  async look(): Promise<void> {
    let left = 0;
    for (;;) {
      const due = await this.#due(left);
      for (const board of due) if (!(await this.#purge(board))) left++;
      if (due.length < BOARDS_A_LOOK || this.#isStopped) break;
    }
    await this.#dropWorkspaces();
  }

  #due(offset: number): Promise<{ id: string; workspaceId: string }[]> {
    return this.#parts.context.database.entities((em) =>
      em.find(
        BoardEntity,
        { deletedAt: { $lt: this.#limit() } },
        { orderBy: { deletedAt: 'asc', id: 'asc' }, limit: BOARDS_A_LOOK, offset },
      ),
    );
  }

  /** False when something of it is still there. */
  async #purge({ id, workspaceId }: { id: string; workspaceId: string }): Promise<boolean> {
    const { documentsOf, deleteDocument, clock } = this.#parts;
    const asked = new Set<DocumentKey>();
    let givenUpAt = Infinity;
    for (;;) {
      const documents = await documentsOf({ tenantId: workspaceId, roomId: id, limit: DOCUMENTS_A_LOOK });
      if (documents.length === 0) break;
      if (this.#isStopped) return false;
      const fresh = documents.filter((document) => !asked.has(documentKey(document)));
      for (const document of fresh) {
        await deleteDocument(document, `purge-${id}`);
        asked.add(documentKey(document));
      }
      if (fresh.length > 0) givenUpAt = clock.now() + STORED_LIMIT_MS;
      // One that was made again meanwhile is asked for again by the next look, too.
      else if (clock.now() >= givenUpAt) return false;
      // The tombstone is in the log; the store hears of it a moment later.
      else await pause(clock, STORED_POLL_MS);
    }
    await this.#parts.context.database.entities(async (em) => {
      const gone = await em.nativeDelete(BoardEntity, { id, deletedAt: { $lt: this.#limit() } });
      if (gone > 0) recordAccessChange(em, { tenantId: workspaceId, roomId: id, revoked: true });
    });
    this.#parts.logger.info({ boardId: id }, 'deleted board purged');
    return true;
  }

  #dropWorkspaces(): Promise<void> {
    return this.#parts.context.database.entities(async (em) => {
      const closed = await em.find(WorkspaceEntity, { deletedAt: { $lt: this.#limit() } });
      for (const { id } of closed)
        if ((await em.count(BoardEntity, { workspaceId: id })) === 0)
          await em.nativeDelete(WorkspaceEntity, { id });
    });
  }

  #limit(): Date {
    return new Date(nowOf(this.#parts.context).getTime() - this.#parts.restoreMs);
  }
}
