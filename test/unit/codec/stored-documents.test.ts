import { describe, expect, it } from '@jest/globals';
import { createInlineCodec } from '../../../lib/codec/inline.ts';
import { createStoredDocuments } from '../../../lib/codec/stored-documents.ts';
import { AppError } from '../../../lib/errors.ts';
import type { StoredState } from '../../../lib/store/port.ts';
import { Writer } from '../../support/writer.ts';

const DOCUMENT = { tenantId: 't', roomId: 'r', docId: 'd' };
const AT = { document: DOCUMENT, epoch: 1, partition: 0 };

function world() {
  const loads: PromiseWithResolvers<StoredState>[] = [];
  const load = () => {
    const loading = Promise.withResolvers<StoredState>();
    loads.push(loading);
    return loading.promise;
  };
  const [payload] = new Writer(1).type('a');
  const state: StoredState = {
    generation: 1,
    generationStartOffset: -1,
    deleted: false,
    updates: [{ offset: 0, epoch: 1, partition: 0, senderId: 's', clientVersion: 1, payload: payload! }],
    storedThrough: 0,
  };
  return { documents: createStoredDocuments({ load }, createInlineCodec()), loads, state };
}

describe('folds of stored documents', () => {
  it('that are asked for again while one is under way share its work; later ones do it anew', async () => {
    const { documents, loads, state } = world();
    const [first, again] = [documents.fold(AT), documents.fold(AT)];
    const fromRows = documents.fold({ ...AT, fromRows: true });
    expect(loads).toHaveLength(2);
    for (const { resolve } of loads) resolve(state);
    expect(await again).toBe(await first);
    expect(await fromRows).not.toBe(await first);
    void documents.fold(AT);
    expect(loads).toHaveLength(3);
  });

  it('that failed are not remembered', async () => {
    const { documents, loads, state } = world();
    const failing = documents.fold(AT);
    loads[0]!.reject(new AppError('STORE_UNAVAILABLE'));
    await expect(failing).rejects.toMatchObject({ type: 'STORE_UNAVAILABLE' });
    const next = documents.fold(AT);
    loads[1]!.resolve(state);
    expect((await next)!.position.offset).toBe(0);
  });
});
