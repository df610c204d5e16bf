import { expect, it } from '@jest/globals';
import { join } from 'node:path';
import { readTrace } from '../../scripts/lib/trace.ts';
import { mergeOutOfOrder } from '../support/out-of-order.ts';

const FRIENDS = join(import.meta.dirname, '../data/friendsforever.json.gz');

it('two people who type concurrently are merged, in another order, into the text they ended with', async () => {
  const trace = await readTrace(FRIENDS);
  expect(mergeOutOfOrder(trace)).toBe(trace.endContent);
});
