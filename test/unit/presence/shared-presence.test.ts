import { describe, expect, it } from '@jest/globals';
import { silentLogger } from '../../../lib/log.ts';
import type { PresenceMessage } from '../../../lib/presence/messages.ts';
import type { RoomChange } from '../../../lib/presence/port.ts';
import type { PresenceBusEvents } from '../../../lib/presence/bus.ts';
import { SharedPresence } from '../../../lib/presence/shared-presence.ts';
import { ManualClock } from '../gateway/manual-clock.ts';

const ROOM = { tenantId: 't', roomId: 'r' };
const TICK_MS = 40;

/** A gateway whose messages the test hands over. */
function openGateway(gatewayId: string) {
  const clock = new ManualClock();
  const sent: PresenceMessage[] = [];
  const changes: RoomChange[] = [];
  let events: PresenceBusEvents | undefined;
  const presence = new SharedPresence({
    clock,
    gatewayId,
    logger: silentLogger,
    beatTimeoutMs: 6_000,
    openBus: (given) => {
      events = given;
      return {
        open: () => Promise.resolve(),
        close: () => undefined,
        publish: (_room, message) => void sent.push(message),
        isSilent: () => false,
        beat: () => undefined,
        stop: () => Promise.resolve(),
      };
    },
    onChange: (_room, change) => changes.push(change),
  });
  const opened = async () => {
    presence.enter(ROOM, { connectionId: gatewayId, userId: gatewayId, user: {} });
    await Promise.resolve();
    clock.advance(TICK_MS);
  };
  return {
    clock,
    presence,
    opened,
    takeSent: () => sent.splice(0),
    takeChanges: () => changes.splice(0),
    hear: (gateway: string, message: PresenceMessage) => {
      events!.onMessage(ROOM, gateway, message);
      clock.advance(TICK_MS);
    },
    gap: () => {
      events!.onGap();
      clock.advance(TICK_MS);
    },
  };
}

async function pair() {
  const [a, b] = [openGateway('a'), openGateway('b')];
  await Promise.all([a.opened(), b.opened()]);
  return { a, b };
}

describe('presence told by messages', () => {
  it('a list in parts takes nobody away before its last part, and who is not in it then', async () => {
    const { a, b } = await pair();
    for (let i = 0; i < 150; i++)
      a.presence.enter(ROOM, { connectionId: `c${i}`, userId: `u${i}`, user: {} });
    a.clock.advance(TICK_MS);
    a.gap();
    for (const message of a.takeSent()) b.hear('a', message);
    b.takeChanges();
    a.presence.leave(ROOM, 'c0');
    a.clock.advance(TICK_MS);
    a.takeSent(); // lost
    a.gap();
    const parts = a.takeSent();
    expect(parts.map(({ all, end }) => [all, end])).toEqual([
      [true, undefined],
      [undefined, undefined],
      [undefined, true],
    ]);
    for (const part of parts) b.hear('a', part);
    const changes = b.takeChanges();
    expect(changes.flatMap(({ left }) => left)).toEqual(['u0']);
    expect(changes.flatMap(({ joined }) => joined)).toEqual([]);
  });

  it('a message that was missed is noticed with the next one, and everything is asked for', async () => {
    const { a, b } = await pair();
    for (const message of a.takeSent()) b.hear('a', message);
    b.takeSent();
    const enter = (id: string) => {
      a.presence.enter(ROOM, { connectionId: id, userId: id, user: {} });
      a.clock.advance(TICK_MS);
      return a.takeSent()[0]!;
    };
    b.hear('a', enter('heard'));
    expect(b.takeSent()).toEqual([]);
    enter('missed');
    b.hear('a', enter('later'));
    expect(b.takeSent()).toMatchObject([{ all: true, ask: true }]);
  });

  it('who comes and goes in one tick is not told of', async () => {
    const { a } = await pair();
    a.takeSent();
    a.takeChanges();
    a.presence.enter(ROOM, { connectionId: 'c', userId: 'u', user: {} });
    a.presence.leave(ROOM, 'c');
    a.clock.advance(TICK_MS);
    expect(a.takeSent()).toEqual([]);
    expect(a.takeChanges()).toEqual([{ joined: [], left: [], moved: [], regrouped: [] }]);
  });

  it('other client ids are told once, with the person, and never with a move', async () => {
    const { a, b } = await pair();
    for (const message of a.takeSent()) b.hear('a', message);
    const ids = (...clientIds: number[]) => ({ clients: [{ docId: 'd', clientIds }] });
    const enter = (connectionId: string, clients: object) => {
      a.presence.enter(ROOM, { connectionId, userId: 'u', user: {}, ...clients });
      a.clock.advance(TICK_MS);
    };
    enter('c', ids(1));
    enter('second', ids(2));
    for (const message of a.takeSent()) b.hear('a', message);
    [a, b].forEach(({ takeChanges }) => takeChanges());
    enter('c', ids(1));
    expect([a.takeSent(), a.takeChanges()]).toEqual([[], []]);
    enter('c', ids(1, 3));
    const sent = a.takeSent();
    expect(sent).toMatchObject([
      { in: [{ connectionId: 'c', clients: [{ docId: 'd', clientIds: [1, 3] }] }] },
    ]);
    b.hear('a', sent[0]!);
    const person = { userId: 'u', connections: 2, clients: [{ docId: 'd', clientIds: [1, 3, 2] }] };
    for (const gateway of [a, b]) expect(gateway.takeChanges()).toMatchObject([{ regrouped: [person] }]);
    a.presence.update(ROOM, 'c', { cursor: { x: 1, y: 1 } });
    a.clock.advance(TICK_MS);
    expect(a.takeChanges()).toMatchObject([{ moved: [{ userId: 'u' }], regrouped: [] }]);
    // All that is said again, as with every fifteenth beat, is no news.
    a.gap();
    for (const message of a.takeSent()) b.hear('a', message);
    expect(b.takeChanges().flatMap(({ regrouped }) => regrouped)).toEqual([]);
  });

  it('who gets other client ids and goes in one tick is told to have gone', async () => {
    const { a } = await pair();
    const connection = { connectionId: 'c', userId: 'u', user: {} };
    a.presence.enter(ROOM, connection);
    a.clock.advance(TICK_MS);
    a.takeSent();
    a.presence.enter(ROOM, { ...connection, clients: [{ docId: 'd', clientIds: [1] }] });
    a.presence.leave(ROOM, 'c');
    a.clock.advance(TICK_MS);
    expect(a.takeSent()).toMatchObject([{ out: ['c'] }]);
  });

  it('moves are told only while another gateway has somebody in the room, who gets what was shown before', async () => {
    const { a, b } = await pair();
    a.takeSent();
    const show = (x: number) => {
      a.presence.update(ROOM, 'a', { cursor: { x, y: 0 } });
      a.clock.advance(TICK_MS);
    };
    show(1);
    expect(a.takeChanges().flatMap(({ moved }) => moved)).toMatchObject([{ cursor: { x: 1 } }]);
    expect(a.takeSent()).toEqual([]);
    for (const message of b.takeSent()) a.hear('b', message);
    expect(a.takeSent()).toMatchObject([{ all: true, at: [{ cursor: { x: 1 } }] }]);
    show(2);
    expect(a.takeSent()).toMatchObject([{ at: [{ cursor: { x: 2 } }] }]);
    b.presence.leave(ROOM, 'b');
    b.clock.advance(TICK_MS);
    for (const message of b.takeSent()) a.hear('b', message);
    show(3);
    expect(a.takeSent()).toEqual([]);
  });

  it('what is shown before the first answer of another gateway is told when it comes', async () => {
    const { a, b } = await pair();
    // Asked by the one who came, and on its way to the other.
    const question = a.takeSent();
    expect(question).toMatchObject([{ all: true, ask: true }]);
    a.presence.update(ROOM, 'a', { cursor: { x: 5, y: 0 } });
    a.clock.advance(TICK_MS);
    b.takeSent();
    for (const message of question) b.hear('a', message);
    for (const message of b.takeSent()) a.hear('b', message);
    for (const message of a.takeSent()) b.hear('a', message);
    expect(b.presence.people(ROOM)).toMatchObject([{ userId: 'b' }, { userId: 'a', cursor: { x: 5 } }]);
    // Once: an answer to another question has no more of it.
    b.gap();
    for (const message of b.takeSent()) a.hear('b', message);
    expect(a.takeSent()).toMatchObject([{ all: true, at: [{ cursor: { x: 5 } }] }]);
  });

  it('a gateway takes back those of its own who have come elsewhere: no list of it brings them again', async () => {
    const { a, b } = await pair();
    for (const message of a.takeSent()) b.hear('a', message);
    for (const message of b.takeSent()) a.hear('b', message);
    a.presence.enter(ROOM, { connectionId: 'c', userId: 'u', user: {} });
    a.clock.advance(TICK_MS);
    a.takeSent();
    a.presence.move(ROOM, 'c');
    a.clock.advance(TICK_MS);
    expect(a.takeSent()).toMatchObject([{ in: [{ connectionId: 'c', moving: true }] }]);
    b.presence.enter(ROOM, { connectionId: 'd', userId: 'u', user: {} });
    b.clock.advance(TICK_MS);
    for (const message of b.takeSent()) a.hear('b', message);
    expect(a.takeSent()).toMatchObject([{ out: ['c'] }]);
    expect(a.takeChanges().flatMap(({ left }) => left)).toEqual([]);
  });

  it('what a person shows later counts, whichever gateway has a clock that is ahead', async () => {
    const [a, b] = [openGateway('a'), openGateway('b')];
    a.clock.advance(60_000);
    await Promise.all([a.opened(), b.opened()]);
    const exchange = () => {
      for (let round = 0; round < 3; round++) {
        for (const message of a.takeSent()) b.hear('a', message);
        for (const message of b.takeSent()) a.hear('b', message);
      }
    };
    for (const gateway of [a, b]) {
      const connectionId = `tab at ${gateway === a ? 'a' : 'b'}`;
      gateway.presence.enter(ROOM, { connectionId, userId: 'u', user: {} });
      gateway.clock.advance(TICK_MS);
      exchange();
    }
    const show = (gateway: typeof a, connectionId: string, x: number) => {
      gateway.presence.update(ROOM, connectionId, { cursor: { x, y: 0 } });
      gateway.clock.advance(TICK_MS);
      exchange();
      for (const { presence } of [a, b])
        expect(presence.people(ROOM).find(({ userId }) => userId === 'u')).toMatchObject({ cursor: { x } });
    };
    show(a, 'tab at a', 1);
    show(b, 'tab at b', 2);
    show(a, 'tab at a', 3);
  });

  it('the first move after a pause is told others at once, the next ones together', async () => {
    const { a, b } = await pair();
    for (const message of b.takeSent()) a.hear('b', message);
    a.clock.advance(1_000);
    a.takeSent();
    const show = (x: number) => a.presence.update(ROOM, 'a', { cursor: { x, y: 0 } });
    show(1);
    a.clock.advance(0);
    expect(a.takeSent()).toMatchObject([{ at: [{ cursor: { x: 1 } }] }]);
    for (const x of [2, 3]) show(x);
    a.clock.advance(10);
    expect(a.takeSent()).toEqual([]);
    a.clock.advance(5);
    expect(a.takeSent()).toMatchObject([{ at: [{ cursor: { x: 3 } }] }]);
  });

  it('rooms have ticks of their own, the first thing after a pause is told at once', async () => {
    const { a } = await pair();
    const other = { ...ROOM, roomId: 'other' };
    a.presence.enter(other, { connectionId: 'a', userId: 'a', user: {} });
    a.clock.advance(1_000);
    a.takeChanges();
    const moved = () => a.takeChanges().flatMap((change) => change.moved.map(({ cursor }) => cursor?.x));
    const show = (room: typeof ROOM, x: number) => a.presence.update(room, 'a', { cursor: { x, y: 0 } });
    show(ROOM, 1);
    a.clock.advance(0);
    expect(moved()).toEqual([1]);
    show(ROOM, 2);
    a.clock.advance(20);
    expect(moved()).toEqual([]);
    show(other, 3);
    a.clock.advance(0);
    expect(moved()).toEqual([3]);
    a.clock.advance(14);
    expect(moved()).toEqual([2]);
  });
});
