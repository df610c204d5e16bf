import fc from 'fast-check';
import { describe, expect, it } from '@jest/globals';
import { leftOf, limitsOf, type DocumentRule } from '../../../lib/accounts/document-limits.ts';
import { BOARD_ROLES, isAtLeast, mayOnBoard, WRITERS } from '../../../lib/accounts/rules.ts';

const left = (document: string, access: 'none' | 'read', docId: string, subdocId?: string) => {
  const { read, write } = leftOf(
    [{ document, access }],
    subdocId === undefined ? { docId } : { docId, subdocId },
  );
  return `${read ? 'r' : '-'}${write ? 'w' : '-'}`;
};

describe('documents that need more than their board', () => {
  it.each([
    ['a', 'a', undefined, '--'],
    ['a', 'b', undefined, 'rw'],
    ['a', 'aa', undefined, 'rw'],
    ['a', 'A', undefined, 'rw'],
    ['a', 'a', 'sub', '--'],
    ['a/sub', 'a', undefined, 'rw'],
    ['a/sub', 'a', 'sub', '--'],
    ['a/sub', 'a', 'other', 'rw'],
    ['sub', 'a', 'sub', 'rw'],
    ['a*', 'ab', undefined, '--'],
    ['a*', 'ba', undefined, 'rw'],
    ['a*', 'ab', 'sub', '--'],
    ['a/*', 'a', undefined, 'rw'],
    ['a/*', 'a', 'sub', '--'],
    ['*', 'anything', 'at-all', '--'],
  ])('%s speaks of %s %s: %s', (pattern, docId, subdocId, wanted) => {
    expect(left(pattern, 'none', docId, subdocId)).toBe(wanted);
  });

  it('the strictest counts, in whatever order', () => {
    const limits = [
      { document: 'a*', access: 'read' },
      { document: 'ab', access: 'none' },
    ] as const;
    for (const each of [limits, [...limits].reverse()]) {
      expect(leftOf(each, { docId: 'ab' })).toEqual({ read: false, write: false });
      expect(leftOf(each, { docId: 'ac' })).toEqual({ read: true, write: false });
    }
  });

  it('a role gets what every rule gives it, and never more than without them', () => {
    const rule: fc.Arbitrary<DocumentRule> = fc.record({
      document: fc.constantFrom('a', 'a/s', 'a*', 'b', '*', 'a/*'),
      read: fc.constantFrom(...BOARD_ROLES),
      write: fc.constantFrom(...WRITERS),
    });
    const name = fc.constantFrom(
      { docId: 'a' },
      { docId: 'a', subdocId: 's' },
      { docId: 'b' },
      { docId: 'ab' },
    );
    fc.assert(
      fc.property(
        fc.constantFrom(...BOARD_ROLES),
        fc.array(rule, { maxLength: 5 }),
        name,
        (role, rules, of) => {
          const { read, write } = leftOf(limitsOf(role, rules), of);
          const speaking = rules.filter(
            (each) => !leftOf([{ document: each.document, access: 'none' }], of).read,
          );
          expect(read).toBe(speaking.every((each) => isAtLeast(role, each.read)));
          const mayWrite = read && write && mayOnBoard(role, 'board.write');
          expect(mayWrite).toBe(
            read && mayOnBoard(role, 'board.write') && speaking.every((each) => isAtLeast(role, each.write)),
          );
        },
      ),
      { seed: 1, numRuns: 500 },
    );
  });
});
