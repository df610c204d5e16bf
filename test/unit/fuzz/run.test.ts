import { describe, expect, it } from '@jest/globals';
import { faultsOf, MAX_RSS_GROWTH_MB, type FuzzReport } from '../../fuzz/run.ts';

const CONTROL = { complaints: [], acked: 1, edits: 1 } as unknown as FuzzReport['control'];
const FINE = {
  control: CONTROL,
  unsoundRecords: [],
  unanswered: [],
  unexpected: [],
  quarantined: [{ reason: 'inapplicable', hex: '' }],
  records: 5,
  acks: 5,
  rssStartMb: 100,
  rssPeakMb: 100 + MAX_RSS_GROWTH_MB,
  rssEndMb: 100,
} as unknown as FuzzReport;

describe('what is wrong with a run of the fuzzer', () => {
  it('is nothing when all was answered, and memory stayed below its bound', () => {
    expect(faultsOf(FINE)).toEqual([]);
  });

  it.each<[string, Partial<FuzzReport>]>([
    [
      'memory beyond its bound for a while, also when it is given back',
      { rssPeakMb: 101 + MAX_RSS_GROWTH_MB },
    ],
    ['a record that should not be in the log', { unsoundRecords: ['0/1: BAD_UPDATE'] }],
    ['a nack that did not come', { unanswered: ['00'] }],
    ['an ack without a record', { acks: 6 }],
    ['a record that the persister could not use', { quarantined: [{ reason: 'BAD_UPDATE', hex: '' }] }],
    ['an edit of others that was not acked', { control: { ...CONTROL, acked: 0 } }],
  ])('is %s', (_, change) => {
    expect(faultsOf({ ...FINE, ...change })).not.toEqual([]);
  });
});
