import { expect, it } from '@jest/globals';
import { ByPartition } from '../../../lib/gateway/by-partition.ts';

it('what uses a partition is found by it, once, until it is deleted', () => {
  const found = new ByPartition<string>();
  const [one, two] = [0, 1].map((partition) => ({ topic: 't', partition })) as [
    { topic: string; partition: number },
    { topic: string; partition: number },
  ];
  found.add(one, 'a');
  found.add(one, 'a');
  found.add(one, 'b');
  found.add(two, 'c');
  const before = found.of(one);
  found.delete(one, 'a');
  found.delete(two, 'never there');
  expect([before, found.of(one), found.of(two)]).toEqual([['a', 'b'], ['b'], ['c']]);
  found.delete(one, 'b');
  expect(found.of(one)).toEqual([]);
});
