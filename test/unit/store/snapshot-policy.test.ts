import { describe, expect, it } from '@jest/globals';
import type { SnapshotDebt } from '../../../lib/store/port.ts';
import { SnapshotPolicy } from '../../../lib/store/snapshot-policy.ts';

const KB = 1024;
const MB = 1024 * KB;
const LIMITS = { snapshotUpdates: 500, snapshotBytes: 256 * KB, snapshotAgeMs: 60_000 };
const policy = new SnapshotPolicy({ ...LIMITS, snapshotBurstMs: 0 });

const debt = (fields: Partial<SnapshotDebt>): SnapshotDebt => ({
  document: { tenantId: 't', roomId: 'r', docId: 'd' },
  generation: 1,
  epoch: 1,
  partition: 0,
  updates: 1,
  bytes: 1,
  ageMs: 0,
  snapshotBytes: 0,
  isOfPastEpoch: false,
  ...fields,
});

describe('SnapshotPolicy', () => {
  it.each([
    ['nothing behind it', { updates: 0, bytes: 0 }, 1e9, false],
    ['a little', { updates: 499, bytes: 256 * KB - 1 }, 59_999, false],
    ['many updates', { updates: 500 }, 0, true],
    ['many bytes', { bytes: 256 * KB }, 0, true],
    ['something old', {}, 60_000, true],
  ])('a small document with %s', (_what, fields, ageMs, due) => {
    expect(policy.isDue(debt({ ...fields, ageMs }))).toBe(due);
  });

  it('does not write 50 MB again for every 256 kB, 500 updates or minute', () => {
    const large = { snapshotBytes: 50 * MB };
    expect(policy.isDue(debt({ ...large, bytes: MB, updates: 5_000, ageMs: 10 * 60_000 }))).toBe(false);
    expect(policy.isDue(debt({ ...large, bytes: 12.5 * MB }))).toBe(true);
    expect(policy.isDue(debt({ ...large, updates: 25_000 }))).toBe(true);
    expect(policy.isDue(debt({ ...large, ageMs: 50 * 60_000 }))).toBe(true);
  });

  it('writes at most four bytes of snapshot for each byte of updates, once a document is large', () => {
    let size = MB;
    let behind = 0;
    let updates = 0;
    let written = 0;
    let appended = 0;
    while (size < 64 * MB) {
      appended += 10 * KB;
      behind += 10 * KB;
      updates++;
      if (!policy.isDue(debt({ snapshotBytes: size, bytes: behind, updates }))) continue;
      size += behind;
      written += size;
      behind = updates = 0;
    }
    expect(written / appended).toBeLessThan(5.1); // the snapshot holds what came on top: 4 + 1
  });

  it.each([
    ['a small one that changes fast', {}, { updates: 4_000, bytes: 2 * MB }],
    ['a large one that changes fast', { snapshotBytes: 4 * MB }, { updates: 16_000, bytes: 8 * MB }],
  ])('waits in a burst, for time or for eight times as much: %s', (_what, fields, { updates, bytes }) => {
    const patient = new SnapshotPolicy({ ...LIMITS, snapshotBurstMs: 5_000 });
    const isDue = (added: Partial<SnapshotDebt>, ageMs: number) =>
      patient.isDue(debt({ ...fields, ...added, ageMs }));
    expect(isDue({ updates: updates - 1, bytes: bytes - 1 }, 4_999)).toBe(false);
    expect(isDue({ updates }, 0)).toBe(true);
    expect(isDue({ bytes }, 0)).toBe(true);
    expect(isDue({ updates: updates / 8 }, 5_000)).toBe(true);
    expect(isDue({ bytes: bytes / 8 }, 5_000)).toBe(true);
    expect(isDue({ updates: updates / 8 - 1, bytes: bytes / 8 - 1 }, 5_000)).toBe(false);
  });

  it('is not worth asking before the limits of the smallest document', () => {
    expect(policy.isWorthAsking({ updates: 499, bytes: 1 })).toBe(false);
    expect(policy.isWorthAsking({ updates: 500, bytes: 1 })).toBe(true);
    expect(policy.isWorthAsking({ updates: 1, bytes: 256 * KB })).toBe(true);
  });
});
