import { describe, expect, it } from '@jest/globals';
import { reportOf, withSection } from '../../faults/suite/report.ts';
import { chooseFault, FAULTS } from '../../faults/suite/faults.ts';
import { Random } from '../../support/random.ts';

describe('the schedule of the fault suite', () => {
  it('depends on the seed and the number of the step alone, and uses every kind', () => {
    const kinds = (seed: number) =>
      Array.from({ length: 400 }, (_, step) => chooseFault(new Random(seed).fork(`step ${step}`)));
    expect(kinds(7)).toEqual(kinds(7));
    expect(kinds(7)).not.toEqual(kinds(8));
    expect([...new Set(kinds(7))].sort()).toEqual(Object.keys(FAULTS).sort());
  });
});

describe('the report of the fault suite', () => {
  const step = {
    step: 1,
    fault: 'kill Kafka' as const,
    what: '',
    kills: 1,
    acked: 10,
    lost: 0,
    isDouble: false,
    worksAgainMs: 2_000,
    repairedMs: 900,
  };
  const result = {
    seed: 3,
    nextStep: 4,
    steps: [step, { ...step, worksAgainMs: 4_000 }, { ...step, worksAgainMs: 9_000 }],
    acked: 30,
    lost: 1,
    quarantined: 0,
    violations: ['something was lost'],
    durationMs: 60_000,
  };

  it('counts kinds, kills and losses, with median and worst time', () => {
    const report = reportOf(result, { command: 'the command', commit: 'abc1234' });
    expect(report).toContain(
      '`the command` (commit abc1234): 3 faults, 3 of them kill -9, in 1 minutes; 30 updates acked, **1 lost**',
    );
    expect(report).toContain('| kill Kafka | 3 | 3 | 30 | 0 | 4.0 s | 9.0 s | 0.9 s |');
    expect(report).toContain('- something was lost');
  });

  it('takes the place of the earlier section of its name and leaves the others', () => {
    const first = withSection('# Title\n', 'one', 'old');
    const both = withSection(first, 'two', 'other');
    const renewed = withSection(both, 'one', 'new');
    expect(renewed).toContain('new');
    expect(renewed).not.toContain('old');
    expect(renewed.match(/<!-- begin: one -->/g)).toHaveLength(1);
    expect(renewed).toContain('other');
    expect(renewed.indexOf('new')).toBeLessThan(renewed.indexOf('other'));
  });
});
