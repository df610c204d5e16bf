import { afterEach, describe, expect, it } from '@jest/globals';
import type * as Y from 'yjs';
import { UpdateQueue } from '../../../lib/provider/update-queue.ts';
import { ROOM, TestWorld, textOf, updateOf } from './harness.ts';

let world: TestWorld;
afterEach(() => world.destroy());

function joined(options = {}) {
  world = new TestWorld();
  const client = world.client(options);
  const doc = client.open();
  world.run();
  return { client, doc, session: world.session };
}

const type = (doc: Y.Doc, ...texts: string[]) => {
  for (const text of texts) doc.getText('t').insert(doc.getText('t').length, text);
};

describe('a server that is away or slow', () => {
  it('has at most maxUnackedBytes on their way; the application is told once, and once when there is room again', () => {
    const { client, doc, session } = joined({ maxUnackedBytes: 1000 });
    session.isPaused = true;
    for (let i = 0; i < 10; i++) {
      type(doc, 'x'.repeat(300));
      world.run(5);
    }
    expect(world.server.log(ROOM).length).toBeLessThanOrEqual(3);
    expect(client.all('backlog')).toMatchObject([{ docId: 'doc', isFull: true }]);
    expect(client.all('backlog')[0]!.bytes).toBeGreaterThanOrEqual(1000);
    session.isPaused = false;
    session.deliver(ROOM);
    world.run(5000);
    expect(client.all('backlog').map(({ isFull }) => isFull)).toEqual([true, false]);
    expect(world.serverText()).toBe(textOf(doc));
    expect(client.manager.hasUnackedChanges).toBe(false);
  });

  it('while it nacks everything, what was sent stays byte for byte and what waits becomes few updates; nothing is lost', () => {
    const { client, doc } = joined({ maxUnacked: 8 });
    world.server.appendRule = () => 'APPEND_FAILED';
    for (let i = 0; i < 3000; i++) {
      type(doc, String(i % 10));
      if (i % 10 === 0) world.run(5);
    }
    const full = client.all('backlog').at(-1)!;
    expect(full.isFull).toBe(true);
    world.server.appendRule = () => undefined;
    world.run(30_000);
    expect(world.serverText()).toBe(textOf(doc));
    const versions = world.server.log(ROOM).map(({ version }) => version);
    expect(versions).toEqual([...versions].sort((a, b) => a - b));
    expect(versions.length).toBeLessThan(100);
    expect(client.all('update-refused')).toEqual([]);
    expect(client.all('backlog').at(-1)!.isFull).toBe(false);
  });

  it('what is merged into several updates is sent in several, all of it', () => {
    const { client, doc, session } = joined({ maxUnacked: 2 });
    session.isPaused = true;
    for (let i = 0; i < 6; i++) {
      type(doc, String(i).repeat(700_000));
      world.run(5);
    }
    session.isPaused = false;
    session.deliver(ROOM);
    world.run(30_000);
    expect(world.serverText()).toBe(textOf(doc));
    expect(client.manager.hasUnackedChanges).toBe(false);
  });

  it('an update beyond the bound of bytes goes alone', () => {
    const { doc } = joined({ maxUnackedBytes: 100 });
    type(doc, 'x'.repeat(5000));
    world.run(100);
    expect(world.serverText()).toBe(textOf(doc));
  });
});

describe('the queue of updates', () => {
  it('merges what waits in groups, again and again at a cost that does not grow with what is merged already', () => {
    world = new TestWorld();
    const queue = new UpdateQueue();
    const big = updateOf((doc) => doc.getText('big').insert(0, 'x'.repeat(900_000)));
    for (let i = 0; i < 20; i++) queue.add(big);
    const small = updateOf((doc) => doc.getText('small').insert(0, 'y'));
    for (let i = 0; i < 3000; i++) {
      queue.add(small);
      queue.compact();
    }
    expect(queue.count).toBeLessThan(20 + 2 * 256);
    const before = queue.bytes;
    expect(queue.updates().reduce((sum, { byteLength }) => sum + byteLength, 0)).toBe(before);
    expect(queue.drop().length).toBeGreaterThan(0);
    expect([queue.count, queue.bytes]).toEqual([0, 0]);
  });
});
