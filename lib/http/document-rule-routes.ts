import type { ApiRoute } from './api-route.ts';

const RULES = '/api/boards/{boardId}/document-rules';

/** Documents of a board that need a higher role than the board. */
export const DOCUMENT_RULE_ROUTES: readonly ApiRoute[] = [
  {
    method: 'get',
    path: RULES,
    action: 'boards.rules.list',
    rule: 'board.rules.list',
    summary: 'Documents of a board that need a higher role than the board',
    status: 200,
    answer: 'DocumentRulePage',
  },
  {
    method: 'post',
    path: RULES,
    action: 'boards.rules.set',
    rule: 'board.rules.update',
    summary: 'Says which role a document needs; the same `document` again changes its rule',
    status: 200,
    answer: 'DocumentRule',
    makes: ['id'],
    errors: ['ID_TAKEN', 'TOO_MANY_RULES'],
  },
  {
    method: 'delete',
    path: `${RULES}/{ruleId}`,
    action: 'boards.rules.remove',
    rule: 'board.rules.update',
    summary: 'Takes a rule away: the document is like its board again',
    status: 204,
    errors: ['RULE_NOT_FOUND'],
  },
];
