import { afterEach, describe, expect, it } from '@jest/globals';
import * as Y from 'yjs';
import { ROOM, TestWorld, textOf, updateOf } from './harness.ts';

let world: TestWorld;
afterEach(() => world.destroy());

const copyOfServer = () => {
  const doc = new Y.Doc();
  Y.applyUpdate(doc, world.server.state(ROOM));
  return doc;
};

function withServerText(text: string) {
  world = new TestWorld();
  world.server.write(
    ROOM,
    updateOf((doc) => doc.getText('t').insert(0, text)),
  );
  return world.client();
}

describe('content that is older than the connection', () => {
  it('is uploaded when it was inserted before the document was added', () => {
    const client = withServerText('server ');
    const doc = copyOfServer();
    doc.getText('t').insert(7, 'offline');
    client.manager.addDoc(doc, { docId: 'doc' });
    expect(client.manager.hasUnackedChanges).toBe(true);
    world.run();
    expect(world.serverText()).toBe('server offline');
    expect(client.manager.hasUnackedChanges).toBe(false);
    expect(world.server.log(ROOM)).toHaveLength(2);
  });

  it('is uploaded when it consists of deletions only, which no state vector shows', () => {
    const client = withServerText('server text');
    const doc = copyOfServer();
    doc.getText('t').delete(0, 7);
    expect(Y.encodeStateVector(doc)).toEqual(Y.encodeStateVector(copyOfServer()));
    client.manager.addDoc(doc, { docId: 'doc' });
    world.run();
    expect(world.serverText()).toBe('text');
    expect(client.manager.hasUnackedChanges).toBe(false);
  });

  it('is not uploaded when nothing lacks, neither at the first join nor after a full state', () => {
    const client = withServerText('server');
    const doc = copyOfServer();
    client.manager.addDoc(doc, { docId: 'doc' });
    world.run();
    doc.getText('t').delete(0, 1);
    world.run();
    const { length } = world.server.log(ROOM);
    const other = world.client();
    other.manager.addDoc(copyOfServer(), { docId: 'doc' });
    world.run();
    expect(world.server.log(ROOM)).toHaveLength(length);
    expect(length).toBe(2);
  });

  it('is not uploaded when the state of the join is older than the log and the rest follows behind it', () => {
    const client = withServerText('server');
    const copy = copyOfServer();
    const update = updateOf((doc) => doc.getText('t').insert(6, ' text'), world.server.state(ROOM));
    Y.applyUpdate(copy, update);
    world.server.write(ROOM, update);
    world.server.staleBy = 1;
    client.manager.addDoc(copy, { docId: 'doc' });
    world.run();
    expect(client.manager.documentState('doc')).toMatchObject({ isSynced: true, hasUnackedChanges: false });
    expect(world.server.log(ROOM)).toHaveLength(2);
  });

  it('is not called synced before the entries that complete the join are there', () => {
    const client = withServerText('server');
    const update = updateOf((doc) => doc.getText('t').insert(6, ' text'), world.server.state(ROOM));
    world.server.write(ROOM, update);
    world.server.staleBy = 2;
    const doc = new Y.Doc();
    world.server.isPausedAtFirst = true;
    client.manager.addDoc(doc, { docId: 'doc' });
    world.run(1000);
    expect(client.manager.documentState('doc')).toMatchObject({ isSynced: false });
    world.session.isPaused = false;
    world.session.deliver(ROOM);
    world.run(5);
    expect(client.manager.documentState('doc')).toMatchObject({ isSynced: true });
    expect(doc.getText('t').toString()).toBe('server text');
  });

  it('is uploaded after a connection that broke before it was known what lacks', () => {
    const client = withServerText('server');
    const doc = copyOfServer();
    doc.getText('t').delete(0, 3);
    world.server.staleBy = 1;
    world.server.isPausedAtFirst = true;
    client.manager.addDoc(doc, { docId: 'doc' });
    world.run(20);
    expect(client.manager.documentState('doc')).toMatchObject({ isSynced: false, hasUnackedChanges: true });
    world.server.isPausedAtFirst = false;
    world.session.drop();
    world.run(2000);
    expect(world.serverText()).toBe('ver');
    expect(client.manager.hasUnackedChanges).toBe(false);
  });

  it('is not uploaded twice: what is unacked is sent again and not taken for lacking', () => {
    const client = withServerText('server');
    const doc = client.open();
    world.run();
    world.session.drop();
    doc.getText('t').insert(0, 'waiting ');
    const { sessions } = world.server;
    world.run(2000);
    expect(sessions.size).toBe(1);
    expect(world.serverText()).toBe('waiting server');
    expect(world.server.log(ROOM)).toHaveLength(2);
  });

  it('takes what is pending on both sides for known', () => {
    world = new TestWorld();
    const first = updateOf((doc) => doc.getText('t').insert(0, 'a'));
    const source = new Y.Doc();
    Y.applyUpdate(source, first);
    const before = Y.encodeStateVector(source);
    source.getText('t').insert(1, 'b');
    const second = Y.encodeStateAsUpdate(source, before);
    const later = Y.encodeStateVector(source);
    source.getText('t').insert(2, 'c');
    const third = Y.encodeStateAsUpdate(source, later);
    // The second one is missing: the third stays pending everywhere.
    world.server.write(ROOM, first);
    world.server.write(ROOM, third);
    const doc = new Y.Doc();
    Y.applyUpdate(doc, first);
    Y.applyUpdate(doc, third);
    const client = world.client();
    client.manager.addDoc(doc, { docId: 'doc' });
    world.run();
    expect(world.server.log(ROOM)).toHaveLength(2);
    expect(client.manager.hasUnackedChanges).toBe(false);
    world.server.write(ROOM, second);
    world.run();
    expect(textOf(doc)).toBe('abc');
  });

  it('is uploaded when it fills the gap before what is pending there', () => {
    world = new TestWorld();
    const doc = new Y.Doc();
    const updates: Uint8Array[] = [];
    doc.on('update', (update: Uint8Array) => updates.push(update));
    for (const letter of 'abc') doc.getText('t').insert(doc.getText('t').length, letter);
    world.server.write(ROOM, updates[0]!);
    world.server.write(ROOM, updates[2]!);
    const client = world.client();
    client.manager.addDoc(doc, { docId: 'doc' });
    world.run();
    expect(world.serverText()).toBe('abc');
    expect(client.manager.hasUnackedChanges).toBe(false);
  });

  it('is uploaded when it is pending here and unknown there', () => {
    world = new TestWorld();
    const source = new Y.Doc();
    source.getText('t').insert(0, 'a');
    const first = Y.encodeStateAsUpdate(source);
    const before = Y.encodeStateVector(source);
    source.getText('t').insert(1, 'b');
    const doc = new Y.Doc();
    Y.applyUpdate(doc, Y.encodeStateAsUpdate(source, before));
    const client = world.client();
    client.manager.addDoc(doc, { docId: 'doc' });
    world.run();
    expect(world.server.log(ROOM)).toHaveLength(1);
    world.server.write(ROOM, first);
    expect(world.serverText()).toBe('ab');
  });

  it('typed before the first state goes behind what the document already held', () => {
    const client = withServerText('server');
    const doc = copyOfServer();
    doc.getText('t').insert(6, ' before');
    client.manager.addDoc(doc, { docId: 'doc' });
    doc.getText('t').insert(13, ' after');
    world.run();
    expect(world.serverText()).toBe('server before after');
    expect(textOf(doc)).toBe('server before after');
    expect(client.manager.hasUnackedChanges).toBe(false);
  });

  it('travels as chunks when it is large, and comes back as chunks with progress', () => {
    const client = withServerText('');
    const text = 'x'.repeat(1_000_000);
    client.open(text);
    world.run();
    expect(world.serverText()).toBe(text);
    expect(world.session.received.every((frame) => frame.byteLength <= 256 * 1024)).toBe(true);
    const reader = world.client();
    const doc = reader.open();
    world.run();
    expect(textOf(doc)).toBe(text);
    const progress = reader.all('progress');
    expect(progress.length).toBeGreaterThan(3);
    expect(progress.at(-1)).toEqual({
      docId: 'doc',
      receivedBytes: progress.at(-1)!.totalBytes,
      totalBytes: progress.at(-1)!.totalBytes,
    });
  });
});
