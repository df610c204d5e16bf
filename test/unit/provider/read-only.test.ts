import { afterEach, describe, expect, it } from '@jest/globals';
import * as Y from 'yjs';
import { ROOM, TestWorld, textOf, updateOf, type TestClient } from './harness.ts';

let world: TestWorld;
afterEach(() => world.destroy());

interface Opened {
  client: TestClient;
  /** As it is now. */
  doc: () => Y.Doc;
}

/** A document that says `server ` and that the client makes anew when it is replaced. */
function opened(isReadOnly: boolean, first = new Y.Doc()): Opened {
  world = new TestWorld();
  world.server.isReadOnly = isReadOnly;
  world.server.write(
    ROOM,
    updateOf((doc) => doc.getText('t').insert(0, 'server ')),
  );
  const client = world.client();
  client.manager.addDoc(first, { docId: 'doc', recreate: () => new Y.Doc() });
  world.run();
  return { client, doc: () => client.manager.documents.get('doc') as Y.Doc };
}

const type = (doc: Y.Doc, text: string) => doc.getText('t').insert(doc.getText('t').length, text);

/** What the given updates hold on top of the server's state. */
function shown(state: Uint8Array, updates: readonly Uint8Array[]): string {
  const doc = new Y.Doc();
  for (const update of [state, ...updates]) Y.applyUpdate(doc, update);
  return textOf(doc);
}

describe('documents that may not be written', () => {
  it('say so before their state is there, and when that changes', () => {
    const { client } = opened(true);
    const names = client.events.map(({ name }) => name);
    expect(client.all('read-only')).toEqual([{ docId: 'doc', isReadOnly: true }]);
    expect(names.indexOf('read-only')).toBeLessThan(names.indexOf('synced'));
    expect(client.manager.documentState('doc')).toMatchObject({ isReadOnly: true, isSynced: true });
    world.server.isReadOnly = false;
    world.session.nack(ROOM, 0, 'ACCESS_CHANGED');
    world.run();
    expect(client.all('read-only').at(-1)).toEqual({ docId: 'doc', isReadOnly: false });
  });

  it('give back what is typed into them, with the state of the server for a new document', () => {
    const { client, doc } = opened(true);
    const old = doc();
    type(old, 'mine');
    expect(client.all('permission-denied')).toMatchObject([{ docId: 'doc', code: 'READ_ONLY' }]);
    expect(client.manager.hasUnackedChanges).toBe(true);
    type(old, ', all mine');
    world.run();
    expect(client.all('permission-denied')).toHaveLength(1);
    const [replaced] = client.all('document-replaced');
    expect(replaced).toMatchObject({ docId: 'doc', reason: 'refused' });
    expect(shown(replaced!.state, replaced!.unacked)).toBe('server mine, all mine');
    expect(doc()).not.toBe(old);
    expect(textOf(doc())).toBe('server ');
    expect(client.manager.documentState('doc')).toMatchObject({ isSynced: true, hasUnackedChanges: false });
    expect(world.session.received).toEqual([]);
    world.server.write(
      ROOM,
      updateOf((other) => type(other, 'goes on'), world.server.state(ROOM)),
    );
    world.run();
    expect(textOf(doc())).toBe('server goes on');
  });

  it('are halted by it when nobody has said how to make a new one', () => {
    world = new TestWorld();
    world.server.isReadOnly = true;
    const client = world.client();
    const doc = client.open();
    world.run();
    type(doc, 'mine');
    world.run();
    expect(client.all('document-replaced')).toMatchObject([{ reason: 'refused', document: undefined }]);
    expect(client.manager.documentState('doc')).toMatchObject({ halted: 'replaced', isSynced: false });
  });

  it('give back what was typed while there was no connection', () => {
    const { client, doc } = opened(true);
    client.manager.disconnect();
    type(doc(), 'offline');
    world.run();
    expect(client.all('document-replaced')).toEqual([]);
    client.manager.connect();
    world.run(2_000);
    const [replaced] = client.all('document-replaced');
    expect(shown(replaced!.state, replaced!.unacked)).toBe('server offline');
    expect(textOf(doc())).toBe('server ');
    expect(client.manager.documentState('doc')).toMatchObject({ isSynced: true, hasUnackedChanges: false });
  });

  it('give back what was typed offline by who could write when she went', () => {
    const { client, doc } = opened(false);
    client.manager.disconnect();
    type(doc(), 'offline');
    world.server.isReadOnly = true;
    client.manager.connect();
    world.run(2_000);
    expect(client.all('document-replaced')).toMatchObject([{ reason: 'refused' }]);
    expect(textOf(doc())).toBe('server ');
    expect(world.serverText()).toBe('server ');
  });

  it('give back what was in them before they were joined', () => {
    const first = new Y.Doc();
    type(first, 'earlier ');
    const { client, doc } = opened(true, first);
    world.run(5_000);
    const [replaced] = client.all('document-replaced');
    expect(shown(replaced!.state, replaced!.unacked)).toMatch(/earlier /);
    expect(textOf(doc())).toBe('server ');
  });

  it('give back what was in them together with what is typed before that is sorted out', () => {
    world = new TestWorld();
    world.server.isReadOnly = true;
    for (const text of ['server ', 'late '])
      world.server.write(
        ROOM,
        updateOf((doc) => type(doc, text)),
      );
    // The state is older than the log, and what follows it does not come.
    world.server.staleBy = 1;
    world.server.isPausedAtFirst = true;
    const first = new Y.Doc();
    type(first, 'earlier ');
    const client = world.client();
    client.manager.addDoc(first, { docId: 'doc', recreate: () => new Y.Doc() });
    world.run(100);
    type(first, 'typed ');
    world.run(100);
    const [replaced] = client.all('document-replaced');
    const all = shown(replaced!.state, replaced!.unacked);
    for (const text of ['server ', 'earlier ', 'typed ']) expect(all).toContain(text);
  });

  it('give nothing back that the server has, wherever it has come from', () => {
    const kept = updateOf((doc) => type(doc, 'kept'));
    world = new TestWorld();
    world.server.isReadOnly = true;
    world.server.write(ROOM, kept);
    const client = world.client();
    const doc = new Y.Doc();
    client.manager.addDoc(doc, { docId: 'doc', recreate: () => new Y.Doc() });
    // A store of the browser brings its copy while the join is under way.
    Y.applyUpdate(doc, kept);
    world.run(5_000);
    expect(client.all('document-replaced')).toEqual([]);
    expect(client.all('permission-denied')).toEqual([]);
    expect(client.manager.documentState('doc')).toMatchObject({ isSynced: true, hasUnackedChanges: false });
  });

  it('give back what was on its way when the right to write ended', () => {
    const { client, doc } = opened(false);
    const { session } = world;
    world.server.appendRule = () => 'NOT_JOINED';
    type(doc(), 'mine');
    world.run(5);
    world.server.isReadOnly = true;
    session.nack(ROOM, 0, 'ACCESS_CHANGED');
    world.run();
    expect(client.manager.documentState('doc')).toMatchObject({ isReadOnly: true });
    expect(client.all('update-refused')).toMatchObject([{ docId: 'doc', version: 1, code: 'READ_ONLY' }]);
    expect(client.all('document-replaced')).toMatchObject([{ docId: 'doc', reason: 'refused' }]);
    expect(client.all('document-replaced')[0]!.unacked).toHaveLength(1);
  });

  it('give back all that was on its way then, with what waited behind it, after a few joins', () => {
    const { client, doc } = opened(false);
    const { session } = world;
    world.server.appendRule = () => 'NOT_JOINED';
    for (const word of ['one ', 'two ', 'three ']) {
      type(doc(), word);
      world.run(1);
    }
    const before = world.server.joins.length;
    world.server.isReadOnly = true;
    session.nack(ROOM, 0, 'ACCESS_CHANGED');
    world.run(10_000);
    expect(client.all('update-refused').map(({ version }) => version)).toEqual([1, 2]);
    const [replaced, ...more] = client.all('document-replaced');
    expect(more).toEqual([]);
    expect(shown(replaced!.state, replaced!.unacked)).toBe('server one two three ');
    expect(textOf(doc())).toBe('server ');
    expect(client.manager.hasUnackedChanges).toBe(false);
    expect(world.server.joins.length - before).toBeLessThan(5);
  });

  it('give it back after a few joins, too, when the rights change once more meanwhile', () => {
    for (let afterMs = 0; afterMs <= 30; afterMs++) {
      const { client, doc } = opened(false);
      const { session } = world;
      world.server.appendRule = () => 'NOT_JOINED';
      type(doc(), 'mine');
      world.run(1);
      const before = world.server.joins.length;
      world.server.isReadOnly = true;
      session.nack(ROOM, 0, 'ACCESS_CHANGED');
      world.run(afterMs);
      session.nack(ROOM, 0, 'ACCESS_CHANGED');
      world.run(10_000);
      expect(client.all('document-replaced')).toMatchObject([{ docId: 'doc', reason: 'refused' }]);
      expect(world.server.joins.length - before).toBeLessThan(6);
      world.destroy();
    }
  });

  it('send what waits when the right to write comes before the state with which it would be given back', () => {
    const { client, doc } = opened(true);
    world.server.isReadOnly = false;
    type(doc(), 'mine');
    world.run();
    expect(client.all('document-replaced')).toEqual([]);
    expect(world.serverText()).toBe('server mine');
    expect(client.manager.hasUnackedChanges).toBe(false);
  });

  it('are not asked for without end by an editor that changes every document that it gets', () => {
    const { client, doc } = opened(true);
    client.manager.on('document-replaced', () => type(doc(), 'title'));
    type(doc(), 'title');
    const before = world.server.joins.length;
    world.run(600_000);
    expect(client.all('document-replaced').length).toBeGreaterThan(3);
    expect(world.server.joins.length - before).toBeLessThan(40);
  });

  it('leave no timer behind', () => {
    const { client, doc } = opened(true);
    type(doc(), 'once');
    world.run();
    type(doc(), 'again');
    client.manager.destroy();
    world.run(50);
    expect(world.environment.waiting).toBe(0);
  });

  it('forget what was typed when they are removed, and are let go of', () => {
    const { client, doc } = opened(true);
    const old = doc();
    type(old, 'mine');
    client.manager.removeDoc(old);
    world.run(60_000);
    expect(client.manager.hasUnackedChanges).toBe(false);
    expect(world.session.received).toEqual([]);
    world.server.isReadOnly = false;
    const next = client.open();
    world.run();
    expect(textOf(next)).toBe('server ');
  });
});
