import { isAtLeast, mayOnBoard, type BoardRole, type WriterRole } from './rules.ts';

/**
 * Which documents of a board: `name` is that document and its subdocuments, `name/sub` one subdocument, and with `*`
 * at its end whatever begins like that.
 */
export type DocumentPattern = string;

/** Documents that need more than their board does. */
export interface DocumentRule {
  document: DocumentPattern;
  /** The least role that may see them. */
  read: BoardRole;
  /** The least role that may change them. */
  write: WriterRole;
}

/** What a rule leaves of a role: nothing, or to read only. */
export interface DocumentLimit {
  document: DocumentPattern;
  access: 'none' | 'read';
}

interface DocumentName {
  docId: string;
  subdocId?: string;
}

/** What rules take from a role; a rule gives nothing to anybody. */
export function limitsOf(role: BoardRole, rules: readonly DocumentRule[]): DocumentLimit[] {
  return rules.flatMap(({ document, read, write }): DocumentLimit[] => {
    if (!isAtLeast(role, read)) return [{ document, access: 'none' }];
    const isTaken = mayOnBoard(role, 'board.write') && !isAtLeast(role, write);
    return isTaken ? [{ document, access: 'read' }] : [];
  });
}

/** What limits leave of a document: the strictest that speaks of it counts. */
export function leftOf(
  limits: readonly DocumentLimit[],
  name: DocumentName,
): { read: boolean; write: boolean } {
  const own = limits.filter(({ document }) => speaksOf(document, name));
  return { read: !own.some(({ access }) => access === 'none'), write: own.length === 0 };
}

function speaksOf(pattern: DocumentPattern, { docId, subdocId }: DocumentName): boolean {
  const names = subdocId === undefined ? [docId] : [docId, `${docId}/${subdocId}`];
  if (!pattern.endsWith('*')) return names.includes(pattern);
  const beginning = pattern.slice(0, -1);
  return names.some((name) => name.startsWith(beginning));
}
