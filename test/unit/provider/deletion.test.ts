import { afterEach, describe, expect, it } from '@jest/globals';
import * as Y from 'yjs';
import { ROOM, TestWorld, textOf, updateOf } from './harness.ts';

let world: TestWorld;
afterEach(() => world.destroy());

const REFUSAL = { ok: false, code: 'DOCUMENT_DELETED', message: '', permanent: true } as const;

function joined() {
  world = new TestWorld();
  world.server.write(
    ROOM,
    updateOf((doc) => doc.getText('t').insert(0, 'old')),
  );
  const client = world.client();
  const recreated: Y.Doc[] = [];
  const doc = new Y.Doc();
  client.manager.addDoc(doc, {
    docId: 'doc',
    recreate: () => {
      recreated.push(new Y.Doc());
      return recreated.at(-1)!;
    },
  });
  world.run();
  return { client, doc, recreated };
}

const clientVersions = () => world.server.log(ROOM).filter(({ senderId }) => senderId !== 'somebody-else');

describe('a document that is deleted', () => {
  it('live: ends once, with what was not acked, and keeps the copy of the application as it is', () => {
    const { client, doc, recreated } = joined();
    const { session } = world;
    session.isPaused = true;
    doc.getText('t').insert(3, ' and mine');
    const barrier = world.server.barrier(ROOM, 'deleted');
    world.server.refuseJoin = () => REFUSAL;
    session.isPaused = false;
    session.nack(ROOM, 0, 'DOCUMENT_DELETED', barrier.position);
    world.run(3000);
    const deleted = client.all('document-deleted');
    expect(deleted).toMatchObject([{ docId: 'doc', position: barrier.position }]);
    expect(client.all('document-replaced')).toEqual([]);
    expect(recreated).toEqual([]);
    expect(textOf(doc)).toBe('old and mine');
    expect(client.manager.documentState('doc')).toMatchObject({ halted: 'deleted', isSynced: false });
  });

  it('hands over what the server has not taken', () => {
    const { client, doc } = joined();
    world.session.drop();
    world.server.refuseJoin = () => REFUSAL;
    doc.getText('t').insert(0, 'offline ');
    world.run(3000);
    const [deleted] = client.all('document-deleted');
    expect(deleted!.unacked).toHaveLength(1);
    expect(Y.decodeUpdate(deleted!.unacked[0]!).structs).toHaveLength(1);
    expect(client.all('join-refused')).toMatchObject([{ code: 'DOCUMENT_DELETED' }]);
  });

  it('is not asked for again by itself, nor is anything sent, whatever happens to the connection', () => {
    const { client, doc } = joined();
    world.server.barrier(ROOM, 'deleted');
    world.server.refuseJoin = () => REFUSAL;
    world.run();
    const joins = world.server.joins.length;
    const before = clientVersions().length;
    for (let n = 0; n < 3; n++) {
      doc.getText('t').insert(0, 'x');
      world.session.drop();
      world.run(20_000);
    }
    expect(world.server.joins).toHaveLength(joins);
    expect(clientVersions()).toHaveLength(before);
    expect(client.all('document-deleted')).toHaveLength(1);
  });

  it('a nack of one of its updates says the same, and no full state is asked for', () => {
    const { client, doc } = joined();
    const joins = world.server.joins.length;
    world.server.appendRule = () => 'DOCUMENT_DELETED';
    doc.getText('t').insert(0, 'late ');
    world.run(3000);
    expect(client.all('document-deleted')).toMatchObject([{ position: undefined }]);
    expect(client.all('document-deleted')[0]!.unacked).toHaveLength(1);
    expect(client.all('update-refused')).toEqual([]);
    expect(world.server.joins).toHaveLength(joins);
  });

  it('made again, it begins with a new document; the old one brings nothing in', () => {
    const { client, doc } = joined();
    world.server.barrier(ROOM, 'deleted');
    world.run();
    doc.getText('t').insert(0, 'after the end ');
    world.server.barrier(ROOM, 'recreated');
    client.open('from the copy, without its position');
    world.run(3000);
    expect(world.serverText()).toBe('');
    expect(client.all('document-replaced')).toMatchObject([{ reason: 'generation' }]);
    const empty = client.open();
    world.run();
    empty.getText('t').insert(0, 'new');
    world.run();
    expect(world.serverText()).toBe('new');
  });
});
