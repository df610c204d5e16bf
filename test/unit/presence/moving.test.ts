import { describe, expect, it } from '@jest/globals';
import { replacedOf, type KnownConnection } from '../../../lib/presence/moving.ts';
import { RoomPeople } from '../../../lib/presence/room-people.ts';

const at = (gateway: string, clientIds: number[] = [], moving = false): KnownConnection => ({
  gateway,
  moving,
  clients: clientIds.length === 0 ? [] : [{ docId: 'd', clientIds }],
});
const replacedBy = (connections: Record<string, KnownConnection>, connectionId: string, isNew = true) =>
  replacedOf(new Map(Object.entries(connections)), { connectionId, isNew }).map(
    ({ connectionId: id, gateway, by }) => `${id}@${gateway} by ${by}`,
  );

describe('a connection that was asked to move', () => {
  it('has come back with the next new connection, unless client ids tell which one it is', () => {
    expect(replacedBy({ old: at('a', [], true), new: at('b') }, 'new')).toEqual(['old@a by b']);
    expect(replacedBy({ old: at('a', [1], true), new: at('b') }, 'new')).toEqual([]);
    expect(replacedBy({ old: at('a', [1], true), new: at('b', [1]) }, 'new', false)).toEqual(['old@a by b']);
    expect(replacedBy({ old: at('a', [1], true), new: at('b', [2]) }, 'new', false)).toEqual([]);
    const sub: KnownConnection = { ...at('b'), clients: [{ docId: 'd', subdocId: 's', clientIds: [1] }] };
    expect(replacedBy({ old: at('a', [1], true), new: sub }, 'new')).toEqual([]);
  });

  it('is one for each that comes; those that were there before are others', () => {
    const two = { one: at('a', [], true), two: at('a', [], true), new: at('b') };
    expect(replacedBy(two, 'new')).toEqual(['one@a by b']);
    expect(replacedBy({ tab: at('b'), old: at('a', [], true) }, 'old')).toEqual([]);
    expect(replacedBy({ tab: at('b'), old: at('a', [], true) }, 'tab', false)).toEqual([]);
    // Heard of in the other order.
    expect(replacedBy({ new: at('b', [1]), old: at('a', [1], true) }, 'old')).toEqual(['old@a by b']);
  });

  it('hands on what it has shown, unless that was shown anew; it is no news that it moves', () => {
    const people = new RoomPeople();
    const old = { connectionId: 'old', userId: 'u', user: {} };
    people.enter('a', old);
    const state = (x: number, lastSeen: number) => ({
      ...{ userId: 'u', lastSeen, cursor: { x, y: 0 }, selection: [], viewport: null },
    });
    people.show('a', state(1, 10));
    people.takeChange();
    expect(people.enter('a', { ...old, moving: true })).toBe(true);
    expect(people.takeChange()).toEqual({ joined: [], left: [], moved: [], regrouped: [] });
    expect(people.connections('a')).toEqual([{ ...old, moving: true }]);
    people.enter('b', { connectionId: 'new', userId: 'u', user: {} });
    expect(people.takeReplaced()).toEqual([{ gateway: 'a', connectionId: 'old', by: 'b' }]);
    expect(people.takeReplaced()).toEqual([]);
    expect(people.takeChange()).toMatchObject({
      left: [],
      joined: [],
      regrouped: [{ connections: 1, cursor: { x: 1 } }],
    });
    expect([people.isAt('a'), people.states('b')]).toEqual([false, [state(1, 10)]]);
    people.enter('b', { connectionId: 'new', userId: 'u', user: {}, moving: true });
    people.enter('c', { connectionId: 'third', userId: 'u', user: {}, clients: [] });
    expect(people.person('u')).toMatchObject({ cursor: { x: 1 }, connections: 1 });
  });
});
