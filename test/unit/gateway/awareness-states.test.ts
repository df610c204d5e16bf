import { describe, expect, it } from '@jest/globals';
import { AwarenessStates } from '../../../lib/gateway/awareness-states.ts';

const ann = {};
const state = (clientId: number, clock: number, text = '{}') => ({ clientId, clock, state: text });

describe('awareness states', () => {
  it('the latest state of a client id wins; one tick tells each id once', () => {
    const states = new AwarenessStates();
    states.apply(state(1, 1, '{"a":1}'), ann);
    states.apply(state(1, 3, '{"a":3}'), ann);
    states.apply(state(1, 2, '{"a":2}'), ann);
    expect(states.takeChanged()).toEqual([{ ...state(1, 3, '{"a":3}'), isLocal: true }]);
    expect(states.takeChanged()).toEqual([]);
  });

  it('a removal counts with an equal clock, a stale one does not', () => {
    const states = new AwarenessStates();
    states.apply(state(1, 5), 'gateway');
    expect(states.apply(state(1, 4, 'null'), 'gateway')).toBe(false);
    expect(states.apply(state(1, 5, 'null'), 'gateway')).toBe(true);
    expect(states.all()).toEqual([]);
    expect(states.apply(state(1, 4), 'gateway')).toBe(false);
    expect(states.apply(state(1, 6), 'gateway')).toBe(true);
  });

  it('a client that moved to another gateway is not removed by the old one', () => {
    const states = new AwarenessStates();
    states.apply(state(1, 5), 'old');
    states.apply(state(1, 6), 'new');
    states.apply(state(1, 5, 'null'), 'old');
    expect(states.removeOwner('old')).toEqual([]);
    expect(states.all()).toEqual([state(1, 6)]);
    expect(states.gateways()).toEqual(new Set(['new']));
  });

  it('one that comes here from another gateway with the clock it had is told to the others, once', () => {
    const states = new AwarenessStates();
    states.apply(state(1, 5), 'other');
    states.takeChanged();
    expect(states.apply(state(1, 5), ann)).toBe(false);
    expect(states.takeChanged()).toEqual([{ ...state(1, 5), isLocal: true }]);
    states.apply(state(1, 5), ann);
    states.apply(state(1, 5), 'other');
    expect(states.takeChanged()).toEqual([]);
  });

  it('an owner goes with the last seen clock of each of its ids', () => {
    const states = new AwarenessStates();
    states.apply(state(1, 5), ann);
    states.apply(state(2, 7), ann);
    states.apply(state(3, 1), 'gateway');
    states.takeChanged();
    states.removeOwner(ann);
    expect(states.takeChanged()).toEqual([
      { ...state(1, 5, 'null'), isLocal: true },
      { ...state(2, 7, 'null'), isLocal: true },
    ]);
    expect(states.local()).toEqual([]);
  });

  it('an owner cannot bring in ids without end', () => {
    const states = new AwarenessStates();
    for (let id = 0; id < 32; id++) states.apply(state(id, 1), ann);
    expect(states.hasRoomFor(ann, 31)).toBe(true);
    expect(states.hasRoomFor(ann, 32)).toBe(false);
    expect(states.hasRoomFor({}, 32)).toBe(true);
  });

  it('tells which connections have gained or lost an id, once, also when nobody else notices', () => {
    const states = new AwarenessStates();
    const bob = {};
    states.apply(state(1, 1), ann);
    expect(states.takeResettled()).toEqual([ann]);
    states.apply(state(1, 2, '{"moved":true}'), ann);
    states.apply(state(1, 1), bob);
    expect(states.takeResettled()).toEqual([]);
    states.takeChanged();
    states.apply(state(1, 2), bob);
    expect([states.isChanged, states.takeResettled(), states.takeChanged()]).toEqual([true, [ann, bob], []]);
    states.apply(state(1, 3), 'gateway');
    expect(states.takeResettled()).toEqual([bob]);
    states.removeOwner('gateway');
    expect(states.takeResettled()).toEqual([]);
    states.apply(state(2, 1), ann);
    states.apply(state(2, 2, 'null'), ann);
    expect(states.takeResettled()).toEqual([ann]);
  });
});
