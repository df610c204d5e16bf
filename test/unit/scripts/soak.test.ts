import { describe, expect, it } from '@jest/globals';
import type { Measure } from '../../faults/soak/measure.ts';
import { soakReport, type SoakResult } from '../../faults/soak/report.ts';

const measured = (topics: number, rssMb: number): Measure => ({
  processes: [{ name: 'gateway-1', ageS: 60, eventLoopP99Ms: 12, rssMb, heapMb: 50, handles: 40 }],
  topics,
  groups: 7,
  connections: 4,
  sockets: 10,
  rooms: 3,
});

const result: SoakResult = {
  command: 'npm run soak',
  minutes: 1,
  clients: 10,
  rooms: 3,
  arrived: 25,
  edits: 100,
  acked: 99,
  lost: 0,
  violations: 0,
  leftUnsaved: 1,
  records: 101,
  kills: [
    { process: 'codec-1', readyAfterMs: 2_000 },
    { process: 'codec-1', readyAfterMs: 3_000 },
    { process: 'gateway-2', readyAfterMs: 9_000 },
  ],
  before: measured(51, 100),
  after: measured(52, 120),
  empty: measured(53, 110),
};

describe('the soak', () => {
  it('reports the kills, what was lost, and begin beside end', () => {
    const report = soakReport(result);
    expect(report).toContain(
      '3 kills (codec-1 2, gateway-2 1); ready again after 3.0 s (median), 9.0 s (longest)',
    );
    expect(report).toContain('**0 acked updates lost, 0 violations.**');
    expect(report).toContain('| topics in Kafka | 51 | 52 | 53 |');
    expect(report).toContain('| gateway-1 | 100 / 50, 40, 12 ms, 60 s | 120 / 50, 40, 12 ms, 60 s |');
  });
});
