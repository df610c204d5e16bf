import { LockMode } from '@mikro-orm/core';
import { AppError } from '../errors.ts';
import { recordAccessChange } from './access-changes.ts';
import type { AccountsContext, EntityManager } from './context.ts';
import { BoardEntity, DocumentRuleEntity } from './entities.ts';
import { pageOf, type ListQuery, type Page } from './paging.ts';
import { requireOnBoard } from './permissions.ts';
import type { BoardRole, WriterRole } from './rules.ts';
import { selectPage } from './select-page.ts';
import type { DocumentRuleView } from './views.ts';

/** Each is looked at with every join of a document of the board. */
export const MAX_RULES = 50;

export interface NewDocumentRule {
  id: string;
  document: string;
  /** Left out: everybody on the board. */
  read?: BoardRole;
  /** Left out: who may write on the board, and who may read it. */
  write?: WriterRole;
}

/** Documents of a board that need a higher role than the board itself. */
export class DocumentRules {
  readonly #context: AccountsContext;

  constructor(context: AccountsContext) {
    this.#context = context;
  }

  list(userId: string, boardId: string, query: ListQuery = {}): Promise<Page<DocumentRuleView>> {
    return this.#context.database.entities(async (em) => {
      await requireOnBoard(em, 'board.rules.list', { boardId, userId });
      const { rows, total } = await selectPage<DocumentRuleView>(
        em,
        {
          columns: 'r.id, r.document, r."read", r."write"',
          from: 'from board_document_rules r where r.board_id = ?',
          params: [boardId],
          // By its bytes: it is an id.
          order: { document: ['r.document collate "C"'] },
          fallback: 'document',
          ties: ['r.id'],
        },
        query,
      );
      return pageOf(rows.map(viewOf), total, query);
    });
  }

  /** One rule for each `document`: setting it again changes the one that is there. */
  set(
    userId: string,
    boardId: string,
    { id, document, read = 'viewer', write: wanted = 'editor' }: NewDocumentRule,
  ): Promise<DocumentRuleView> {
    // Who may change something sees it.
    const write = read === 'owner' ? read : wanted;
    return this.#context.database.entities(async (em) => {
      const { workspaceId } = await this.#require(em, { boardId, userId });
      const known = await em.findOne(DocumentRuleEntity, { boardId, document });
      const isTaken = !known && (await em.findOne(DocumentRuleEntity, { id }));
      if (isTaken) throw new AppError('ID_TAKEN');
      if (!known && (await em.count(DocumentRuleEntity, { boardId })) >= MAX_RULES)
        throw new AppError('TOO_MANY_RULES');
      const rule =
        known ?? em.create(DocumentRuleEntity, { id, boardId, document, read, write }, { persist: true });
      Object.assign(rule, { read, write });
      recordAccessChange(em, { tenantId: workspaceId, roomId: boardId });
      return viewOf(rule);
    });
  }

  /** Rejects with RULE_NOT_FOUND. */
  remove(userId: string, { boardId, ruleId }: { boardId: string; ruleId: string }): Promise<void> {
    return this.#context.database.entities(async (em) => {
      const { workspaceId } = await this.#require(em, { boardId, userId });
      if ((await em.nativeDelete(DocumentRuleEntity, { id: ruleId, boardId })) === 0)
        throw new AppError('RULE_NOT_FOUND');
      recordAccessChange(em, { tenantId: workspaceId, roomId: boardId });
    });
  }

  async #require(em: EntityManager, { boardId, userId }: { boardId: string; userId: string }) {
    await em.findOne(BoardEntity, { id: boardId }, { lockMode: LockMode.PESSIMISTIC_WRITE });
    return requireOnBoard(em, 'board.rules.update', { boardId, userId });
  }
}

function viewOf({ id, document, read, write }: DocumentRuleView): DocumentRuleView {
  return { id, document, read, write };
}
