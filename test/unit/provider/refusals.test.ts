import { afterEach, describe, expect, it } from '@jest/globals';
import * as Y from 'yjs';
import { ROOM, TestWorld, textOf, updateOf } from './harness.ts';

let world: TestWorld;
afterEach(() => world.destroy());

function joined() {
  world = new TestWorld();
  world.server.write(
    ROOM,
    updateOf((doc) => doc.getText('t').insert(0, 'server ')),
  );
  const client = world.client();
  const doc = client.open();
  world.run();
  return { client, doc };
}

describe('updates that are refused for good', () => {
  it('reports the update and hands over the state of the server for a new document', () => {
    const { client, doc } = joined();
    world.server.appendRule = () => 'READ_ONLY';
    doc.getText('t').insert(7, 'mine');
    world.run();
    expect(client.all('update-refused')).toMatchObject([{ docId: 'doc', version: 1, code: 'READ_ONLY' }]);
    expect(client.all('permission-denied')).toMatchObject([{ docId: 'doc', version: 1, code: 'READ_ONLY' }]);
    const [replaced] = client.all('document-replaced');
    expect(replaced).toMatchObject({ docId: 'doc', reason: 'refused', document: undefined });
    expect(replaced!.unacked).toHaveLength(1);
    const next = new Y.Doc();
    Y.applyUpdate(next, replaced!.state);
    expect(textOf(next)).toBe('server ');
    expect(client.manager.documentState('doc')).toMatchObject({ halted: 'replaced', isSynced: false });
    // The application swaps the document.
    world.server.appendRule = () => undefined;
    client.manager.addDoc(next, { docId: 'doc' });
    world.run();
    next.getText('t').insert(7, 'again');
    world.run();
    expect(world.serverText()).toBe('server again');
    expect(client.manager.hasUnackedChanges).toBe(false);
  });

  it('does not report an update that an earlier attempt had brought into the log', () => {
    const { client, doc } = joined();
    const { session } = world;
    session.isPaused = true;
    doc.getText('t').insert(7, 'mine');
    world.run(5);
    session.nack(ROOM, 1, 'PERMISSION_DENIED');
    world.run();
    expect(client.all('update-refused')).toEqual([]);
    expect(client.all('document-replaced')).toEqual([]);
    expect(client.all('acked')).toHaveLength(1);
    expect(client.manager.hasUnackedChanges).toBe(false);
  });

  it('makes the new document by itself when it was told how', () => {
    world = new TestWorld();
    const client = world.client();
    client.manager.addDoc(new Y.Doc(), { docId: 'doc', recreate: () => new Y.Doc() });
    world.run();
    world.server.appendRule = () => 'BAD_UPDATE';
    const old = client.manager.documents.get('doc') as Y.Doc;
    old.getText('t').insert(0, 'bad');
    world.run();
    world.server.appendRule = () => undefined;
    const doc = client.manager.documents.get('doc') as Y.Doc;
    expect(doc).not.toBe(old);
    expect(client.all('document-replaced')[0]!.document).toBe(doc);
    doc.getText('t').insert(0, 'good');
    world.run();
    expect(world.serverText()).toBe('good');
    expect(world.server.log(ROOM).map(({ version }) => version)).toEqual([2]);
  });

  it('does not send an update beyond the limit that cannot be cut, and treats it as refused', () => {
    world = new TestWorld();
    const client = world.client({ maxUpdateBytes: 1000 });
    const doc = client.open();
    world.run();
    doc.getMap('m').set('bytes', new Uint8Array(2000));
    world.run();
    expect(client.all('update-refused')).toMatchObject([{ version: 1, code: 'UPDATE_TOO_LARGE' }]);
    expect(client.all('document-replaced')).toMatchObject([{ reason: 'refused' }]);
    expect(world.session.received).toEqual([]);
  });

  it('cuts what is beyond the limit of the server into updates that it takes', () => {
    world = new TestWorld();
    world.server.limits = { maxUpdateBytes: 1_500, maxFrameBytes: 4_096 };
    const client = world.client();
    const doc = client.open();
    world.run();
    doc.getText('t').insert(0, 'long '.repeat(2_000));
    doc.getText('t').insert(5, 'short');
    world.run(5_000);
    expect(client.all('update-refused')).toEqual([]);
    const records = world.server.log(ROOM);
    expect(records.length).toBeGreaterThan(6);
    expect(records.map(({ version }) => version)).toEqual(records.map((_, i) => i + 1));
    for (const { update } of records) expect(update!.byteLength).toBeLessThanOrEqual(1_500);
    for (const frame of world.session.received) expect(frame.byteLength).toBeLessThanOrEqual(4_096);
    expect(world.serverText()).toBe(doc.getText('t').toString());
    expect(client.manager.hasUnackedChanges).toBe(false);
  });

  it('merges what waits no further than the server takes', () => {
    world = new TestWorld();
    world.server.limits = { maxUpdateBytes: 1_500, maxFrameBytes: 4_096 };
    const client = world.client({ maxUnacked: 2 });
    const doc = client.open();
    world.run();
    world.session.isPaused = true;
    for (let n = 0; n < 60; n++) doc.getText('t').insert(0, 'x'.repeat(100));
    world.run(5);
    world.session.isPaused = false;
    world.run(60_000);
    expect(client.all('update-refused')).toEqual([]);
    expect(world.serverText()).toHaveLength(6_000);
  });

  it('whose access is taken away while the document is open hears so and does not ask again', () => {
    const { client } = joined();
    world.session.nack(ROOM, 0, 'PERMISSION_DENIED');
    world.run(60_000);
    expect(world.server.joins).toHaveLength(1);
    expect(client.all('permission-denied')).toMatchObject([{ docId: 'doc', code: 'PERMISSION_DENIED' }]);
    expect(client.manager.documentState('doc')).toMatchObject({ halted: 'refused', isSynced: false });
  });

  it('reports a join that is refused for good and does not ask again on this connection', () => {
    world = new TestWorld();
    const client = world.client();
    world.server.refuseJoin = () => ({
      ok: false,
      code: 'PERMISSION_DENIED',
      message: 'no',
      permanent: true,
    });
    client.open('offline');
    world.run(60_000);
    expect(world.server.joins).toHaveLength(1);
    expect(client.all('permission-denied')).toMatchObject([{ docId: 'doc', code: 'PERMISSION_DENIED' }]);
    expect(client.all('join-refused')).toMatchObject([{ docId: 'doc', code: 'PERMISSION_DENIED' }]);
    expect(client.manager.documentState('doc')).toMatchObject({ halted: 'refused', hasUnackedChanges: true });
    world.server.refuseJoin = undefined;
    world.session.drop();
    world.run(2000);
    expect(world.serverText()).toBe('offline');
  });

  it('asks again, later and later, when a join is refused for now', () => {
    world = new TestWorld();
    const client = world.client();
    world.server.refuseJoin = () => ({
      ok: false,
      code: 'STORE_BEHIND',
      message: '',
      permanent: false,
      retryAfterMs: 100,
    });
    client.open('offline');
    world.run(20_000);
    const { length } = world.server.joins;
    expect(length).toBeGreaterThan(3);
    expect(length).toBeLessThan(20);
    world.server.refuseJoin = undefined;
    world.run(20_000);
    expect(client.manager.documentState('doc')).toMatchObject({ isSynced: true });
  });

  it('says that a document has been deleted', () => {
    world = new TestWorld();
    const client = world.client();
    world.server.refuseJoin = () => ({ ok: false, code: 'DOCUMENT_DELETED', message: '', permanent: true });
    client.open('offline');
    world.run();
    expect(client.all('join-refused')).toMatchObject([{ code: 'DOCUMENT_DELETED' }]);
    expect(client.all('document-deleted')).toMatchObject([{ docId: 'doc', position: undefined }]);
    expect(client.all('document-replaced')).toEqual([]);
  });
});
