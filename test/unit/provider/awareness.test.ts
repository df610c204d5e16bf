import { afterEach, describe, expect, it } from '@jest/globals';
import { applyAwarenessUpdate, Awareness } from 'y-protocols/awareness';
import * as Y from 'yjs';
import { encodeAwarenessUpdate } from '../../../lib/protocol/index.ts';
import { ROOM, TestWorld, type TestClient } from './harness.ts';

let world: TestWorld;
const opened: Awareness[] = [];
afterEach(() => {
  world.destroy();
  for (const awareness of opened.splice(0)) awareness.destroy();
});

function open(client: TestClient) {
  const doc = new Y.Doc();
  const awareness = new Awareness(doc);
  opened.push(awareness);
  client.manager.addDoc(doc, { docId: 'doc', awareness });
  return { doc, awareness };
}

function pair() {
  world = new TestWorld();
  const [a, b] = [world.client(), world.client()];
  const [first, second] = [open(a), open(b)];
  world.run();
  return { a, b, first, second };
}

const stateOf = (awareness: Awareness, id: number) => awareness.getStates().get(id);

describe('awareness', () => {
  it('shows each the state of the other, the latest of a tick only', () => {
    const { first, second } = pair();
    const { received } = [...world.server.sessions][0]!;
    const before = received.length;
    first.awareness.setLocalState({ cursor: 1 });
    first.awareness.setLocalState({ cursor: 2 });
    world.run();
    expect(stateOf(second.awareness, first.awareness.clientID)).toEqual({ cursor: 2 });
    expect(received.length).toBe(before + 1);
    expect(world.server.log(ROOM)).toEqual([]);
  });

  it('is announced again after a reconnect, and the others come back with an unchanged clock', () => {
    const { first, second } = pair();
    first.awareness.setLocalState({ name: 'Ann' });
    second.awareness.setLocalState({ name: 'Bob' });
    world.run();
    const [one] = [...world.server.sessions];
    one!.drop();
    expect(stateOf(first.awareness, second.awareness.clientID)).toBeUndefined();
    expect(first.awareness.getLocalState()).toEqual({ name: 'Ann' });
    world.run(3000);
    expect(stateOf(first.awareness, second.awareness.clientID)).toEqual({ name: 'Bob' });
    expect(stateOf(second.awareness, first.awareness.clientID)).toEqual({ name: 'Ann' });
  });

  it('of others goes when the right to the document is gone: nobody would tell of their leaving', () => {
    const { a, first, second } = pair();
    first.awareness.setLocalState({ name: 'Ann' });
    second.awareness.setLocalState({ name: 'Bob' });
    world.run();
    expect(stateOf(first.awareness, second.awareness.clientID)).toEqual({ name: 'Bob' });
    const [one] = [...world.server.sessions];
    one!.nack(ROOM, 0, 'PERMISSION_DENIED');
    world.run();
    expect(a.manager.documentState('doc')).toMatchObject({ halted: 'refused' });
    expect(stateOf(first.awareness, second.awareness.clientID)).toBeUndefined();
    expect(first.awareness.getLocalState()).toEqual({ name: 'Ann' });
  });

  it('goes when the document is removed, while the own state stays', () => {
    const { a, first, second } = pair();
    first.awareness.setLocalState({ name: 'Ann' });
    world.run();
    a.manager.removeDoc('doc');
    world.run();
    expect(stateOf(second.awareness, first.awareness.clientID)).toBeUndefined();
    expect(first.awareness.getLocalState()).toEqual({ name: 'Ann' });
  });

  it('shows its state again when the others were told that it has gone', () => {
    const { first, second } = pair();
    first.awareness.setLocalState({ name: 'Ann' });
    world.run();
    world.session.nack(ROOM, 0, 'FOREIGN_AWARENESS');
    second.awareness.states.delete(first.awareness.clientID);
    second.awareness.meta.delete(first.awareness.clientID);
    [...world.server.sessions][0]!.nack(ROOM, 0, 'FOREIGN_AWARENESS');
    world.run(3000);
    expect(stateOf(second.awareness, first.awareness.clientID)).toEqual({ name: 'Ann' });
  });

  it('is announced with a higher clock: those who saw it removed with the last one take it again', () => {
    const { a, first, second } = pair();
    first.awareness.setLocalState({ name: 'Ann' });
    world.run();
    const removed = second.awareness.meta.get(first.awareness.clientID)!.clock;
    a.manager.disconnect();
    // As the server does it for a connection that has ended.
    const gone = { clientId: first.awareness.clientID, clock: removed, state: 'null' };
    applyAwarenessUpdate(second.awareness, encodeAwarenessUpdate([gone]), 'server');
    expect(stateOf(second.awareness, first.awareness.clientID)).toBeUndefined();
    a.manager.connect();
    world.run();
    expect(stateOf(second.awareness, first.awareness.clientID)).toEqual({ name: 'Ann' });
  });
});
