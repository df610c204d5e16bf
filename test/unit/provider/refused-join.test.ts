import { afterEach, describe, expect, it } from '@jest/globals';
import * as Y from 'yjs';
import { NACK_CODES, type NackCode } from '../../../lib/protocol/index.ts';
import { ROOM, TestWorld, textOf, updateOf, type TestClient } from './harness.ts';

let world: TestWorld;
afterEach(() => world.destroy());

/** From now on joins are refused with this code, or answered. */
function refuse(code: NackCode | undefined): void {
  world.server.refuseJoin = code && (() => ({ ok: false, code, ...NACK_CODES[code] }));
}

/** The server says that rights have changed, as often as it is told to; whoever joins again has done so afterwards. */
function announce(times = 1): void {
  for (let n = 0; n < times; n++) world.session.nack(ROOM, 0, 'ACCESS_CHANGED');
  world.run(1_500);
}

function refused(code: NackCode): TestClient {
  world = new TestWorld();
  refuse(code);
  const client = world.client();
  client.open('hers ');
  world.run();
  expect(client.manager.documentState('doc')).toMatchObject({ halted: 'refused' });
  return client;
}

/** A document that could be written, and is taken away while something is on its way. */
function removed(awayMs = 100) {
  world = new TestWorld();
  world.server.write(
    ROOM,
    updateOf((doc) => doc.getText('t').insert(0, 'server ')),
  );
  const client = world.client();
  const first = new Y.Doc();
  client.manager.addDoc(first, { docId: 'doc', recreate: () => new Y.Doc() });
  world.run();
  const type = (text: string) => first.getText('t').insert(first.getText('t').length, text);
  world.server.appendRule = () => 'lose';
  type('before ');
  world.run(5);
  world.session.nack(ROOM, 0, 'PERMISSION_DENIED');
  refuse('PERMISSION_DENIED');
  world.run();
  type('meanwhile ');
  world.run(awayMs);
  world.server.appendRule = () => undefined;
  return client;
}

const count = (client: TestClient, name: 'permission-denied' | 'join-refused') => client.all(name).length;

describe('a document that is refused for lack of a right', () => {
  it('is joined when the right is given, on the same connection, with what was typed meanwhile', () => {
    const client = refused('PERMISSION_DENIED');
    const { session } = world;
    refuse(undefined);
    announce();
    expect(client.manager.documentState('doc')).toMatchObject({ isSynced: true, halted: undefined });
    expect(client.manager.hasUnackedChanges).toBe(false);
    expect(world.serverText()).toBe('hers ');
    expect(world.session).toBe(session);
    expect(world.server.joins).toHaveLength(2);
    world.server.write(
      ROOM,
      updateOf((doc) => doc.getText('t').insert(5, 'and theirs'), world.server.state(ROOM)),
    );
    world.run();
    expect(textOf(client.manager.documents.get('doc') as Y.Doc)).toBe('hers and theirs');
  });

  it('is not asked for by itself, also with something on its way when it was taken away', () => {
    removed(60_000);
    expect(world.server.joins).toHaveLength(1);
  });

  it('that was taken away and is given again sends what was on its way, and what was typed meanwhile', () => {
    const client = removed();
    refuse(undefined);
    announce();
    expect(world.serverText()).toBe('server before meanwhile ');
    expect(client.manager.documentState('doc')).toMatchObject({ isSynced: true, hasUnackedChanges: false });
    expect(client.all('document-replaced')).toEqual([]);
    expect(client.all('synced').map(({ state }) => state)).toEqual([true, false, true]);
  });

  it('that is given again to be read only gives back what was typed meanwhile', () => {
    const client = removed();
    refuse(undefined);
    world.server.isReadOnly = true;
    announce();
    const [replaced] = client.all('document-replaced');
    expect(replaced).toMatchObject({ docId: 'doc', reason: 'refused' });
    const shown = new Y.Doc();
    for (const update of [replaced!.state, ...replaced!.unacked]) Y.applyUpdate(shown, update);
    expect(textOf(shown)).toBe('server before meanwhile ');
    expect(textOf(client.manager.documents.get('doc') as Y.Doc)).toBe('server ');
    expect(world.serverText()).toBe('server ');
    expect(client.manager.documentState('doc')).toMatchObject({ isSynced: true, isReadOnly: true });
  });

  it('is joined once for changes that come together, and refused in silence when the reason is the same', () => {
    const client = refused('PERMISSION_DENIED');
    announce(5);
    expect(world.server.joins).toHaveLength(2);
    announce();
    expect(world.server.joins).toHaveLength(3);
    expect([count(client, 'permission-denied'), count(client, 'join-refused')]).toEqual([1, 1]);
    expect(client.all('synced')).toEqual([]);
    expect(client.manager.documentState('doc')).toMatchObject({ halted: 'refused' });
    world.run(60_000);
    expect(world.server.joins).toHaveLength(3);
  });

  it('is not kept waiting by changes that go on', () => {
    refused('PERMISSION_DENIED');
    Object.assign(world.environment, { random: () => 0.9 });
    for (let n = 0; n < 10; n++) {
      world.session.nack(ROOM, 0, 'ACCESS_CHANGED');
      world.run(100);
    }
    expect(world.server.joins).toHaveLength(2);
  });

  it('says so again once it had been let in, and on another connection', () => {
    const client = refused('PERMISSION_DENIED');
    refuse(undefined);
    announce();
    refuse('PERMISSION_DENIED');
    announce();
    expect(count(client, 'join-refused')).toBe(2);
    world.session.drop();
    world.run(2_000);
    expect(count(client, 'join-refused')).toBe(3);
  });

  it('that does not exist any more says that, and is asked for no longer', () => {
    const client = refused('PERMISSION_DENIED');
    refuse('DOCUMENT_DELETED');
    announce();
    expect(client.all('join-refused').map(({ code }) => code)).toEqual([
      'PERMISSION_DENIED',
      'DOCUMENT_DELETED',
    ]);
    expect(client.all('document-deleted')).toHaveLength(1);
    refuse(undefined);
    announce();
    expect(world.server.joins).toHaveLength(2);
  });

  it.each(['TOO_MANY_DOCUMENTS', 'BAD_ID', 'DOCUMENT_DELETED'] as const)(
    'is another one than one that is refused with %s: a change of rights means nothing to that',
    (code) => {
      world = new TestWorld();
      refuse(code);
      world.client().open();
      world.run();
      announce();
      expect(world.server.joins).toHaveLength(1);
    },
  );

  it('does not come at the same moment for all whom a change lets in', () => {
    world = new TestWorld();
    refuse('PERMISSION_DENIED');
    for (let n = 0; n < 20; n++) world.client().open();
    world.run();
    const cameAt: number[] = [];
    world.server.refuseJoin = () => void cameAt.push(world.environment.now());
    const toldAt = world.environment.now();
    for (const session of world.server.sessions) session.nack(ROOM, 0, 'ACCESS_CHANGED');
    world.run(1_500);
    expect(cameAt).toHaveLength(20);
    expect(Math.max(...cameAt) - toldAt).toBeLessThan(1_010);
    // In no quarter of the time do more than half of them come.
    for (const from of [0, 250, 500, 750])
      expect(
        cameAt.filter((at) => at - toldAt >= from && at - toldAt < from + 260).length,
      ).toBeLessThanOrEqual(10);
  });

  it('is joined by the next connection, once, when the one that was told goes first', () => {
    const client = refused('PERMISSION_DENIED');
    refuse(undefined);
    world.session.nack(ROOM, 0, 'ACCESS_CHANGED');
    world.run(2);
    world.session.drop();
    world.run(3_000);
    expect(world.server.joins).toHaveLength(2);
    expect(client.manager.documentState('doc')).toMatchObject({ isSynced: true });
  });

  it('is another one once the application has put a new one in its place: the change is not for that', () => {
    const client = refused('PERMISSION_DENIED');
    refuse(undefined);
    world.session.nack(ROOM, 0, 'ACCESS_CHANGED');
    world.run(2);
    client.open();
    world.run(3_000);
    expect(world.server.joins).toHaveLength(2);
    expect(client.manager.documentState('doc')).toMatchObject({ isSynced: true });
  });

  it('leaves no timer behind', () => {
    const client = refused('PERMISSION_DENIED');
    world.session.nack(ROOM, 0, 'ACCESS_CHANGED');
    world.run(2);
    client.manager.destroy();
    world.run(50);
    expect(world.environment.waiting).toBe(0);
  });
});
