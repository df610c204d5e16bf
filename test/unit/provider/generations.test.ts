import { afterEach, describe, expect, it } from '@jest/globals';
import * as Y from 'yjs';
import { ROOM, TestWorld, textOf, updateOf } from './harness.ts';

let world: TestWorld;
afterEach(() => world.destroy());

const insert = (text: string) => updateOf((doc) => doc.getText('t').insert(0, text));

function joined() {
  world = new TestWorld();
  world.server.write(ROOM, insert('old'));
  const client = world.client();
  const doc = client.open();
  world.run();
  return { client, doc };
}

describe('a document that is replaced', () => {
  it('live: a barrier ends the old document, and its content never comes into the new one', () => {
    const { client, doc } = joined();
    const barrier = world.server.barrier(ROOM);
    world.server.write(ROOM, insert('new'));
    world.run();
    doc.getText('t').insert(0, 'too late ');
    world.run(3000);
    expect(client.all('document-replaced')).toMatchObject([
      { docId: 'doc', reason: 'generation', position: barrier.position, unacked: [] },
    ]);
    expect(world.serverText()).toBe('new');
    expect(client.manager.hasUnackedChanges).toBe(true);
    const next = client.open();
    world.run();
    expect(textOf(next)).toBe('new');
    expect(client.manager.hasUnackedChanges).toBe(false);
  });

  it('is told at once by the join that follows one whose state the gateway had to drop', () => {
    const { client, doc } = joined();
    world.session.isPaused = true;
    const barrier = world.server.barrier(ROOM);
    world.session.joined.clear();
    world.server.dropsNextState = true;
    doc.getText('t').insert(0, 'asks ');
    world.run(1000);
    expect(client.all('document-replaced')).toMatchObject([
      { docId: 'doc', reason: 'generation', position: barrier.position },
    ]);
  });

  it('is in step at once when the gateway had to drop the state of its join', () => {
    const { client, doc } = joined();
    world.session.isPaused = true;
    world.server.write(ROOM, insert('more '));
    world.session.joined.clear();
    world.session.isPaused = false;
    world.server.dropsNextState = true;
    doc.getText('t').insert(0, 'asks ');
    world.run(1000);
    expect(textOf(doc)).toContain('more ');
    expect(client.manager.documentState('doc')).toMatchObject({ isSynced: true });
    expect(client.manager.hasUnackedChanges).toBe(false);
    expect(world.serverText()).toBe(textOf(doc));
  });

  it('live: goes on with a new document when it was told how to make one', () => {
    world = new TestWorld();
    const client = world.client();
    client.manager.addDoc(new Y.Doc(), { docId: 'doc', recreate: () => new Y.Doc() });
    world.run();
    (client.manager.documents.get('doc') as Y.Doc).getText('t').insert(0, 'old');
    world.run();
    world.server.barrier(ROOM);
    world.server.write(ROOM, insert('new'));
    world.run();
    const doc = client.manager.documents.get('doc') as Y.Doc;
    expect(textOf(doc)).toBe('new');
    doc.getText('t').insert(3, '!');
    world.run();
    expect(world.serverText()).toBe('new!');
    expect(world.server.joins).toHaveLength(1);
  });

  it('live: an empty document follows into the new generation as it is', () => {
    world = new TestWorld();
    const client = world.client();
    const doc = client.open();
    world.server.write(ROOM, insert(''));
    world.run();
    world.server.barrier(ROOM);
    world.server.write(ROOM, insert('new'));
    world.run();
    expect(client.all('document-replaced')).toEqual([]);
    expect(textOf(doc)).toBe('new');
  });

  it('a nack GENERATION_CHANGED means the barrier, not a refusal', () => {
    const { client, doc } = joined();
    const { session } = world;
    session.isPaused = true;
    const barrier = world.server.barrier(ROOM);
    doc.getText('t').insert(0, 'too late ');
    world.run();
    expect(client.all('update-refused')).toEqual([]);
    expect(client.all('document-replaced')).toMatchObject([
      { reason: 'generation', position: barrier.position },
    ]);
    expect(client.all('document-replaced')[0]!.unacked).toHaveLength(1);
    expect(world.serverText()).toBe('');
  });

  it('what was heard of a later place is not forgotten with the old document', () => {
    world = new TestWorld();
    const client = world.client();
    const old = new Y.Doc();
    client.manager.addDoc(old, { docId: 'doc', recreate: () => new Y.Doc() });
    old.getText('t').insert(0, 'old');
    world.run();
    const { session } = world;
    session.isPaused = true;
    const barrier = world.server.barrier(ROOM);
    world.server.write(ROOM, insert('new'));
    const { position: last } = world.server.log(ROOM).at(-1)!;
    session.nack(ROOM, 0, 'OVERLOADED', last);
    session.nack(ROOM, 0, 'GENERATION_CHANGED', barrier.position);
    world.run();
    expect(world.server.joins.at(-1)).toMatchObject({ position: barrier.position, heard: last });
  });

  it('while away: the state of the new generation is handed over, the unacked updates too', () => {
    const { client, doc } = joined();
    world.session.drop();
    doc.getText('t').insert(0, 'offline ');
    world.server.barrier(ROOM);
    world.server.write(ROOM, insert('new'));
    world.run(3000);
    const [replaced] = client.all('document-replaced');
    expect(replaced).toMatchObject({ reason: 'generation' });
    expect(replaced!.unacked).toHaveLength(1);
    const next = new Y.Doc();
    Y.applyUpdate(next, replaced!.state);
    expect(textOf(next)).toBe('new');
    expect(textOf(doc)).toBe('offline old');
    expect(world.serverText()).toBe('new');
  });

  it('a barrier that comes twice replaces once', () => {
    const { client } = joined();
    const barrier = world.server.barrier(ROOM);
    world.run();
    world.session.nack(ROOM, 1, 'GENERATION_CHANGED', barrier.position);
    world.run();
    expect(client.all('document-replaced')).toHaveLength(1);
  });

  it('a copy without a generation is uploaded only into a document that never had a barrier', () => {
    world = new TestWorld();
    world.server.barrier(ROOM);
    world.server.write(ROOM, insert('new'));
    const client = world.client();
    client.open('from an offline store');
    world.run();
    expect(world.serverText()).toBe('new');
    expect(client.all('document-replaced')).toMatchObject([{ reason: 'generation' }]);
  });

  it('a copy that knows its position is uploaded into the same generation, never into a later one', () => {
    world = new TestWorld();
    const barrier = world.server.barrier(ROOM);
    const client = world.client();
    const kept = new Y.Doc();
    kept.getText('t').insert(0, 'kept');
    client.manager.addDoc(kept, { docId: 'doc', position: barrier.position });
    world.run();
    expect(world.serverText()).toBe('kept');
    world.server.barrier(ROOM);
    const other = world.client();
    const copy = new Y.Doc();
    copy.getText('t').insert(0, 'kept');
    other.manager.addDoc(copy, { docId: 'doc', position: barrier.position });
    world.run();
    expect(world.serverText()).toBe('');
    expect(other.all('document-replaced')).toMatchObject([{ reason: 'generation' }]);
  });

  it('uploads again to a server that has lost the end of its log, and follows it from there', () => {
    const { client, doc } = joined();
    for (const word of [' text', ' and', ' more']) doc.getText('t').insert(doc.getText('t').length, word);
    world.run();
    world.server.loseTail(ROOM, 1);
    world.session.drop();
    world.run(3000);
    expect(world.serverText()).toBe('old text and more');
    expect(client.manager.documentState('doc')!.position).toEqual(world.server.log(ROOM).at(-1)!.position);
    world.server.write(
      ROOM,
      updateOf((other) => other.getMap('m').set('k', 1)),
    );
    world.run();
    expect(doc.getMap('m').get('k')).toBe(1);
  });
});
