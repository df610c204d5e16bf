import { createRequire } from 'node:module';
import type sequencing from '@jest/test-sequencer';

// Its types describe what `require` gives, `import` gives something else.
const { default: Sequencer } = createRequire(import.meta.url)('@jest/test-sequencer') as typeof sequencing;

type Tests = Parameters<InstanceType<typeof Sequencer>['sort']>[0];

/**
 * What takes longest or starts processes of its own begins first, and beside each other what works and what waits: a
 * long file at the end leaves the other workers idle. On a clean checkout nothing else knows how long a file takes.
 */
const FIRST = [
  'sim/schedules-1',
  'faults/faults',
  'kafka/stream.contract',
  'kafka/group',
  'sim/schedules-2',
  'cluster/',
  'e2e/',
  'services/',
  'contract/',
  'kafka/',
  'sim/',
];

const rankOf = (path: string): number => {
  const rank = FIRST.findIndex((part) => path.includes(`/test/${part}`));
  return rank === -1 ? FIRST.length : rank;
};

export default class LongestFirst extends Sequencer {
  override async sort(tests: Tests): Promise<Tests> {
    // The sort is stable: within a rank the order is jest's.
    return [...(await super.sort(tests))].sort((a, b) => rankOf(a.path) - rankOf(b.path));
  }
}
