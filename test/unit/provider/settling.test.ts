import { afterEach, describe, expect, it } from '@jest/globals';
import type * as Y from 'yjs';
import { decodeClientFrame, decodeMessage, FrameKind } from '../../../lib/protocol/index.ts';
import { ROOM, TestWorld, textOf } from './harness.ts';
import type { ModelSession } from './model-session.ts';

let world: TestWorld;
afterEach(() => world.destroy());

function joined(options = {}) {
  world = new TestWorld();
  const client = world.client(options);
  const doc = client.open();
  world.run();
  return { client, doc };
}

function sent(session: ModelSession) {
  return session.received.flatMap((frame) => {
    const decoded = decodeClientFrame(frame);
    if (!decoded.ok || decoded.value.kind !== FrameKind.Entries) throw new Error('not entries');
    return decoded.value.envelopes.map((envelope) => ({
      envelope,
      version: decodeMessage(envelope).metadata.version,
    }));
  });
}

const type = (doc: Y.Doc, ...texts: string[]) => {
  for (const text of texts) doc.getText('t').insert(doc.getText('t').length, text);
};

describe('settling what was sent', () => {
  it('sends the updates of a tick in one frame, each with a version', () => {
    const { doc } = joined();
    type(doc, 'a', 'b', 'c');
    world.run();
    expect(world.session.received).toHaveLength(1);
    expect(sent(world.session).map(({ version }) => version)).toEqual([1, 2, 3]);
    expect(decodeMessage(sent(world.session)[0]!.envelope).metadata).toMatchObject({
      ...ROOM,
      v: 1,
      generation: 1,
    });
  });

  it('after a connection that broke between append and ack nothing is sent twice', () => {
    const { client, doc } = joined();
    const { session } = world;
    session.isPaused = true;
    type(doc, 'a', 'b');
    world.run(1);
    session.drop();
    expect(client.manager.hasUnackedChanges).toBe(true);
    world.run(2000);
    expect(client.all('acked').map(({ version }) => version)).toEqual([1, 2]);
    expect(sent(world.session)).toEqual([]);
    expect(world.server.log(ROOM)).toHaveLength(2);
  });

  it('settles exactly the versions named, and sends the others again byte for byte, in order, with the same versions', () => {
    const { client, doc } = joined();
    world.server.appendRule = ({ version }) => (version === 1 || version === 3 ? 'lose' : undefined);
    const { session } = world;
    type(doc, 'a', 'b', 'c', 'd');
    world.run(20);
    const first = sent(session);
    session.drop();
    world.server.appendRule = () => undefined;
    type(doc, 'e');
    world.run(2000);
    expect(sent(world.session).map(({ version }) => version)).toEqual([1, 3, 5]);
    expect(sent(world.session)[0]!.envelope).toEqual(first[0]!.envelope);
    expect(sent(world.session)[1]!.envelope).toEqual(first[2]!.envelope);
    expect(client.manager.hasUnackedChanges).toBe(false);
    expect(world.serverText()).toBe('abcde');
  });

  it('merges only what never had a version', () => {
    const { doc } = joined();
    world.session.drop();
    type(doc, ...'x'.repeat(1000));
    world.run(2000);
    expect(sent(world.session).length).toBeLessThan(256);
    expect(world.serverText()).toBe('x'.repeat(1000));
  });

  it('does not merge beyond a size that the server takes', () => {
    const { client, doc } = joined();
    world.session.drop();
    const part = 'y'.repeat(300_000);
    for (let i = 0; i < 300; i++) type(doc, i % 30 === 0 ? part : 'z');
    world.run(3000);
    expect(client.manager.hasUnackedChanges).toBe(false);
    expect(world.serverText()).toBe(textOf(doc));
    const sizes = world.server.log(ROOM).map(({ update }) => update!.byteLength);
    expect(Math.max(...sizes)).toBeLessThan(1_100_000);
    expect(sizes.length).toBeLessThan(256);
  });

  it('has at most maxUnacked on their way; the rest waits and is merged', () => {
    const { client, doc } = joined({ maxUnacked: 4 });
    const { session } = world;
    session.isPaused = true;
    type(doc, ...'abcdefghij');
    world.run(20);
    expect(sent(session).map(({ version }) => version)).toEqual([1, 2, 3, 4]);
    type(doc, 'k');
    world.run(20);
    expect(sent(session)).toHaveLength(4);
    session.isPaused = false;
    session.deliver(ROOM);
    world.run();
    expect(client.manager.hasUnackedChanges).toBe(false);
    expect(world.serverText()).toBe('abcdefghijk');
    expect(world.server.log(ROOM).length).toBeLessThan(11);
  });

  it('keeps a transiently nacked update and what follows it, and sends them again in order after a while', () => {
    const { client, doc } = joined();
    world.server.appendRule = ({ version }) => (version === 1 ? 'APPEND_FAILED' : 'OWED');
    type(doc, 'a', 'b', 'c');
    world.run(20);
    expect(world.server.log(ROOM)).toHaveLength(0);
    world.server.appendRule = () => undefined;
    world.run(3000);
    expect(world.server.log(ROOM).map(({ version }) => version)).toEqual([1, 2, 3]);
    expect(client.manager.hasUnackedChanges).toBe(false);
  });

  it('a later ack settles what was nacked', () => {
    const { client, doc } = joined();
    const { session } = world;
    type(doc, 'a');
    session.isPaused = true;
    world.run(5);
    session.nack(ROOM, 1, 'APPEND_TIMEOUT');
    world.run(5);
    session.isPaused = false;
    session.deliver(ROOM);
    world.run(3000);
    expect(client.all('acked')).toHaveLength(1);
    expect(sent(session)).toHaveLength(1);
  });

  it('joins again when the gateway does not know the document any more', () => {
    const { client, doc } = joined();
    world.session.joined.clear();
    type(doc, 'a');
    world.run(5000);
    expect(client.manager.hasUnackedChanges).toBe(false);
    expect(world.serverText()).toBe('a');
  });

  it('joins and sends again when no ack comes for too long', () => {
    const { client, doc } = joined({ ackTimeoutMs: 5000 });
    world.server.appendRule = () => 'lose';
    type(doc, 'a');
    world.run(100);
    world.server.appendRule = () => undefined;
    world.run(6000);
    expect(client.manager.hasUnackedChanges).toBe(false);
  });

  it('never starts the versions again, not for a document that comes back', () => {
    const { client, doc } = joined();
    type(doc, 'a');
    world.run();
    client.manager.removeDoc(doc);
    world.run();
    const again = client.open();
    world.run();
    type(again, 'b');
    world.run();
    expect(world.server.log(ROOM).map(({ version }) => version)).toEqual([1, 2]);
  });

  it('still sends what a removed document has left, also after a reconnect', () => {
    const { client, doc } = joined();
    world.session.drop();
    type(doc, 'last words');
    client.manager.removeDoc(doc);
    expect(client.manager.hasUnackedChanges).toBe(true);
    expect(client.manager.documents.size).toBe(0);
    world.run(3000);
    expect(world.serverText()).toBe('last words');
    expect(client.manager.hasUnackedChanges).toBe(false);
    expect(world.session.joined.size).toBe(0);
  });

  it('gives what a removed document has left to the one that comes in its place', () => {
    const { client, doc } = joined();
    world.session.drop();
    type(doc, 'kept');
    client.manager.removeDoc(doc);
    const next = client.open();
    expect(textOf(next)).toBe('kept');
    world.run(3000);
    expect(world.serverText()).toBe('kept');
    expect(textOf(next)).toBe('kept');
  });

  it('says when there are unacked changes and when there are none any more', () => {
    const { client, doc } = joined();
    type(doc, 'a');
    world.run();
    expect(client.all('unacked-changes').map(({ hasUnackedChanges }) => hasUnackedChanges)).toEqual([
      true,
      false,
    ]);
  });
});
