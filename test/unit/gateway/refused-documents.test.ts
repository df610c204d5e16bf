import { describe, expect, it } from '@jest/globals';
import { RefusedDocuments } from '../../../lib/gateway/refused-documents.ts';

const document = (docId: string) => ({ roomId: 'board', docId });
const all = () => true;

describe('documents that a connection was refused', () => {
  it('are told once, those that are meant', () => {
    const refused = new RefusedDocuments(10);
    for (const docId of ['a', 'b', 'c']) refused.add(document(docId));
    expect(refused.take(({ docId }) => docId !== 'b')).toEqual([document('a'), document('c')]);
    expect(refused.take(all)).toEqual([document('b')]);
    expect(refused.take(all)).toEqual([]);
  });

  it('are remembered once each, and the last ones of too many', () => {
    const refused = new RefusedDocuments(2);
    for (const docId of ['a', 'b', 'a', 'c']) refused.add(document(docId));
    expect(refused.take(all)).toEqual([document('a'), document('c')]);
  });

  it('are told apart from their subdocuments, and forgotten when they are let in', () => {
    const refused = new RefusedDocuments(10);
    const part = { ...document('a'), subdocId: 'part' };
    refused.add(document('a'));
    refused.add(part);
    refused.forget(document('a'));
    expect(refused.take(all)).toEqual([part]);
  });
});
