import { describe, expect, it } from '@jest/globals';
import { ChangeOrder } from '../../../lib/gateway/change-order.ts';

const change = (id: number, userId = 'u') => ({ id, roomId: 'r', userId });

describe('the order of changed rights', () => {
  it('tells a copy and a late one from the next', () => {
    const order = new ChangeOrder();
    expect([1, 3, 3, 2, 2, 4].map((id) => order.take(change(id)))).toEqual([
      'next',
      'next',
      'known',
      'late',
      'known',
      'next',
    ]);
  });

  it('takes another change for another one, although a new database counts from the beginning', () => {
    const order = new ChangeOrder();
    expect(order.take(change(1))).toBe('next');
    expect(order.take(change(9))).toBe('next');
    expect(order.take(change(1, 'other'))).toBe('late');
  });

  it('takes what has no id as it comes', () => {
    const order = new ChangeOrder();
    expect(['r', 'r'].map((roomId) => order.take({ roomId }))).toEqual(['next', 'next']);
  });
});
