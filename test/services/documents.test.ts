import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import * as Y from 'yjs';
import { deleteAsItIs } from '../../lib/broker/purge-of.ts';
import type { OperationResult } from '../../lib/lifecycle/operation.ts';
import { ProtocolManager, type ManagerEvents } from '../../lib/provider/index.ts';
import type { DocumentId } from '../../lib/protocol/ids.ts';
import { startEmbedded, stopServers, type TestServer } from '../support/embedded.ts';
import { waitFor } from '../support/wait.ts';

let server: TestServer;
const managers: ProtocolManager[] = [];
beforeAll(async () => {
  server = await startEmbedded();
});
afterAll(async () => {
  for (const manager of managers.splice(0)) manager.destroy();
  await stopServers();
});

const documentOf = (roomId: string): DocumentId => ({ tenantId: 'default', roomId, docId: 'doc' });

function call(
  operation: 'delete' | 'create' | 'replace',
  params: Record<string, unknown>,
): Promise<OperationResult> {
  const request = { expectedGeneration: 1, ...params };
  return server.broker.call<OperationResult, object>(`persister.documents.${operation}`, request);
}

/** A person with a document in this room, and what the provider says about its end. */
function person(roomId: string, { doc = new Y.Doc(), recreates = false } = {}) {
  const manager = new ProtocolManager({ url: server.url, roomId });
  managers.push(manager);
  const deleted: ManagerEvents['document-deleted'][] = [];
  const replaced: ManagerEvents['document-replaced'][] = [];
  manager.on('document-deleted', (event) => deleted.push(event));
  manager.on('document-replaced', (event) => replaced.push(event));
  manager.addDoc(doc, { docId: 'doc', ...(recreates ? { recreate: () => new Y.Doc() } : {}) });
  return {
    manager,
    deleted,
    replaced,
    doc,
    text: () => (manager.documents.get('doc') as Y.Doc).getText('t').toString(),
    isSynced: () => manager.documentState('doc')?.isSynced === true,
  };
}

async function written(roomId: string, text: string) {
  const ann = person(roomId, { recreates: true });
  await waitFor(ann.isSynced);
  ann.doc.getText('t').insert(0, text);
  await waitFor(() => !ann.manager.hasUnackedChanges);
  return ann;
}

interface Inspected {
  generation: number;
  deleted: boolean;
  generations: { generation: number; userId: string; removed: Record<string, number> }[];
}

function inspected(document: DocumentId): Promise<Inspected> {
  return server.broker.call<Inspected, object>('persister.documents.inspect', { document });
}

async function rowsOf(document: DocumentId, generation: number): Promise<number> {
  const store = await server.runtime.store();
  let rows = 0;
  const since = { generation, epoch: 1, partition: 0, offset: -1 };
  for await (const _row of store.exportHistory(document, since)) rows++;
  return rows;
}

describe('operations on documents', () => {
  it('a deletion reaches the people, the store and the memory; an old copy cannot bring it back', async () => {
    const document = documentOf('deleted');
    const ann = await written('deleted', 'secret');
    const position = ann.manager.documentState('doc')!.position!;
    await waitFor(async () => (await rowsOf(document, 1)) === 1, { what: 'the update is stored' });
    await server.broker.call('persister.snapshots.make', { document });
    const result = await call('delete', { document, key: 'k1', userId: 'operator' });
    expect(result).toMatchObject({ outcome: 'done', generation: 2, deleted: true, announced: true });
    await waitFor(() => ann.deleted.length === 1);
    expect(ann.deleted[0]).toMatchObject({ docId: 'doc', position: result.position, unacked: [] });
    expect(ann.replaced).toEqual([]);

    // Whoever comes now is refused: with nothing, with a copy, with a copy that knows where it stood.
    const kept = new Y.Doc();
    Y.applyUpdate(kept, Y.encodeStateAsUpdate(ann.doc));
    const bob = person('deleted');
    const carol = person('deleted', { doc: kept });
    const dave = new ProtocolManager({ url: server.url, roomId: 'deleted' });
    managers.push(dave);
    const old: unknown[] = [];
    dave.on('document-deleted', (event) => old.push(event));
    dave.addDoc(ann.doc, { docId: 'doc', position });
    await waitFor(() => bob.deleted.length === 1 && carol.deleted.length === 1 && old.length === 1);

    const evidence = await waitFor(async () => {
      const { generations } = await inspected(document);
      return generations[0]!.removed.completedAtMs === undefined ? undefined : generations[0];
    });
    expect(evidence).toMatchObject({ generation: 2, userId: 'operator', key: 'k1' });
    expect(evidence!.removed).toMatchObject({ rows: 1, snapshots: 1 });
    expect(JSON.stringify(evidence)).not.toContain('secret');
    expect(await rowsOf(document, 1)).toBe(0);
    expect(await server.broker.call('codec.documents.describe', { document })).toBeNull();
    expect(await server.broker.call('persister.documents.remains', { document })).toEqual({
      deletion: result.position,
      inLog: true,
    });

    expect(await call('create', { document, key: 'k2', expectedGeneration: 2 })).toMatchObject({
      outcome: 'done',
      generation: 3,
    });
    const erin = person('deleted', { doc: kept });
    await waitFor(() => erin.replaced.length === 1);
    const frank = person('deleted');
    await waitFor(frank.isSynced);
    expect(frank.text()).toBe('');
    frank.doc.getText('t').insert(0, 'new');
    await waitFor(() => !frank.manager.hasUnackedChanges);
    expect(frank.manager.documentState('doc')!.position!.generation).toBe(3);
  });

  it('a replacement gives everybody the new state, small ones in the call and large ones by reference', async () => {
    const document = documentOf('replaced');
    const ann = await written('replaced', 'old');
    const small = new Y.Doc();
    small.getText('t').insert(0, 'restored');
    const state = Buffer.from(Y.encodeStateAsUpdate(small)).toString('base64');
    const first = await call('replace', { document, key: 'k1', state });
    await waitFor(() => ann.text() === 'restored' && ann.replaced.length > 0);
    expect(ann.replaced).toMatchObject([{ reason: 'generation' }]);
    expect(await call('replace', { document, key: 'k1', state })).toEqual(first);

    const large = new Y.Doc();
    const random = Array.from({ length: 400 }, (_, n) => `${n} `.repeat(60));
    for (const line of random) large.getText('t').insert(0, line);
    const bytes = Y.encodeStateAsUpdate(large);
    const later = { document, key: 'k2', expectedGeneration: 2 };
    const refused = call('replace', { ...later, state: bytes });
    await expect(refused).rejects.toMatchObject({ type: 'BAD_INPUT', data: { field: 'state' } });
    const blob = server.runtime.blobs.offer(bytes);
    // As the transfer between processes names it.
    const reference = { ...blob, content: 'c-1' };
    const second = await call('replace', { ...later, blob: reference });
    expect(second).toMatchObject({ outcome: 'done', generation: 3 });
    // A ticket is good for one fetch; who has lost the answer asks again with the same.
    expect(await call('replace', { ...later, blob: reference })).toEqual(second);
    const another = call('replace', { ...later, key: 'k3', blob: reference });
    await expect(another).rejects.toMatchObject({ type: 'SYNC_TICKET_UNKNOWN' });
    await waitFor(() => ann.text() === large.getText('t').toString());
    const bob = person('replaced');
    await waitFor(() => bob.isSynced() && bob.text() === ann.text());
  });

  it('what is purged is deleted as it is, also when it was made again since', async () => {
    const document = documentOf('purged');
    await written('purged', 'of a board');
    await deleteAsItIs(server.broker, document, 'purge-b');
    await deleteAsItIs(server.broker, document, 'purge-b');
    expect(await inspected(document)).toMatchObject({ generation: 2, deleted: true });
    await call('create', { document, key: 'again', expectedGeneration: 2 });
    await deleteAsItIs(server.broker, document, 'purge-b');
    expect(await inspected(document)).toMatchObject({ generation: 4, deleted: true });
  });

  it('says what it cannot take', async () => {
    const document = documentOf('bad');
    for (const [operation, params] of [
      ['delete', { document }],
      ['delete', { document, key: 'k', expectedGeneration: 0 }],
      ['delete', { document: { ...document, docId: 'a\u0000' }, key: 'k' }],
      ['create', { document, key: 'k', more: 1 }],
      ['replace', { document, key: 'k' }],
      ['replace', { document, key: 'k', state: 'AQID' }],
    ] as const)
      await expect(call(operation, params)).rejects.toMatchObject({ code: 422 });
    await expect(call('delete', { document, key: 'k', expectedGeneration: 7 })).rejects.toMatchObject({
      code: 409,
      type: 'GENERATION_CONFLICT',
      data: { generation: 1, deleted: false },
    });
    for (const operation of ['delete', 'create', 'replace'] as const)
      await expect(
        call(operation, { document, key: 'k', expectedGeneration: undefined }),
      ).rejects.toMatchObject({
        code: 422,
        data: [{ field: 'expectedGeneration', message: expect.stringContaining('documents.inspect') }],
      });
  });
});
