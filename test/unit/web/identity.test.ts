import { describe, expect, it } from '@jest/globals';
import { applyAwarenessUpdate, Awareness, encodeAwarenessUpdate } from 'y-protocols/awareness';
import * as Y from 'yjs';
import { colorClass, COLORS, nameOf, publishPerson, type Person } from '../../../web/src/identity.ts';

function awarenessOf(clientId: number): Awareness {
  const doc = new Y.Doc();
  doc.clientID = clientId;
  return new Awareness(doc);
}

function tell(from: Awareness, to: Awareness): void {
  applyAwarenessUpdate(to, encodeAwarenessUpdate(from, [from.clientID]), 'test');
}

const colorOf = (awareness: Awareness) => (awareness.getLocalState()?.user as Person).color;

describe('the colour of a person', () => {
  it('is left to the one with the lower client id when two have the same', () => {
    const first = awarenessOf(10);
    const second = awarenessOf(10 + COLORS.length);
    publishPerson(first, 'Ada');
    publishPerson(second, 'Bob');
    expect(colorOf(second)).toBe(colorOf(first));
    tell(first, second);
    tell(second, first);
    publishPerson(second, 'Bob');
    publishPerson(first, 'Ada');
    expect(colorOf(first)).toBe(COLORS[0]);
    expect(colorOf(second)).toBe(COLORS[1]);
    first.destroy();
    second.destroy();
  });

  it('is a class of the stylesheet, also for what another program says', () => {
    expect(colorClass({ color: COLORS[3] }, 7)).toBe('c3');
    expect(colorClass({ color: 'url(javascript:alert(1))' }, 12)).toBe('c2');
    expect(colorClass(undefined, 9)).toBe('c9');
  });
});

describe('the name of a person', () => {
  it('is bounded and never empty', () => {
    expect(nameOf({ name: '  Ada ' })).toBe('Ada');
    expect(nameOf({ name: 'x'.repeat(100) })).toHaveLength(32);
    expect(nameOf({ name: '  ' })).toBe('Somebody');
    expect(nameOf({ name: 7 as unknown as string })).toBe('Somebody');
  });
});
