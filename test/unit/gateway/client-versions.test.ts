import { describe, expect, it } from '@jest/globals';
import { ClientVersions } from '../../../lib/gateway/client-versions.ts';

describe('versions of a client', () => {
  it('after a transient nack of n, what comes next is owed until n comes again', () => {
    const versions = new ClientVersions(10);
    const attempt = versions.begin(1, 0);
    expect(versions.fail(attempt)).toEqual([1]);
    expect(versions.admit(2)).toEqual({ kind: 'refused', code: 'OWED' });
    expect(versions.admit(1)).toEqual({ kind: 'admitted' });
    versions.begin(1, 0);
    expect(versions.admit(2)).toEqual({ kind: 'admitted' });
  });

  it('a failure owes everything that arrived behind it, and nothing that the log has delivered', () => {
    const versions = new ClientVersions(10);
    versions.begin(1, 0);
    const second = versions.begin(2, 0);
    versions.begin(3, 0);
    versions.begin(4, 0);
    versions.settle(3);
    expect(versions.fail(second)).toEqual([2, 4]);
    expect(versions.unacked).toBe(1);
    expect(versions.fail(second)).toEqual([]);
  });

  it('a late failure of an earlier attempt does not touch the new one', () => {
    const versions = new ClientVersions(10);
    const first = versions.begin(1, 0);
    versions.fail(first);
    versions.admit(1);
    versions.begin(1, 5);
    expect(versions.fail(first)).toEqual([]);
    expect(versions.unacked).toBe(1);
  });

  it('an owed version that the log has is owed no longer: by follow or by a join', () => {
    const versions = new ClientVersions(10);
    const attempts = [1, 2, 3, 4].map((version) => versions.begin(version, 0));
    versions.fail(attempts[0]!);
    versions.settle(1);
    expect(versions.lowestOwed).toBe(2);
    versions.settleAll([[2, 3]]);
    expect(versions.lowestOwed).toBe(4);
    expect(versions.isOwed(3)).toBe(false);
  });

  it('what an earlier generation owes holds back nothing, also when it fails later', () => {
    const versions = new ClientVersions(10);
    versions.reach(1);
    versions.owe(1);
    const hanging = versions.begin(2, 0);
    versions.reach(2);
    expect(versions.admit(3)).toEqual({ kind: 'admitted' });
    versions.begin(3, 0);
    // The client dropped 1 and 2 at the barrier: only 3 comes again.
    expect(versions.fail(hanging)).toEqual([2, 3]);
    expect(versions.lowestOwed).toBe(3);
    expect(versions.admit(3)).toEqual({ kind: 'admitted' });
  });

  it('a repeat of what the log has is never owed: the client may hold it no longer', () => {
    const versions = new ClientVersions(2);
    for (const version of [1, 2]) versions.begin(version, 0);
    versions.settle(1);
    versions.settleAll([[2, 3]]);
    versions.begin(1, 0);
    versions.begin(2, 0);
    expect(versions.admit(3)).toEqual({ kind: 'refused', code: 'TOO_MANY_UNACKED' });
    expect(versions.lowestOwed).toBeUndefined();
    versions.settle(1);
    expect(versions.admit(4)).toEqual({ kind: 'admitted' });
  });

  it('a refused version stays refused, and does not hold back the next ones', () => {
    const versions = new ClientVersions(10);
    versions.owe(1);
    versions.refuse(1, 'BAD_UPDATE');
    expect(versions.admit(2)).toEqual({ kind: 'admitted' });
    expect(versions.admit(1)).toEqual({ kind: 'refused', code: 'BAD_UPDATE' });
  });

  it('is bounded: one too many unacked is owed', () => {
    const versions = new ClientVersions(2);
    versions.begin(1, 0);
    versions.begin(2, 0);
    expect(versions.admit(3)).toEqual({ kind: 'refused', code: 'TOO_MANY_UNACKED' });
    versions.settle(1);
    expect(versions.admit(4)).toEqual({ kind: 'refused', code: 'OWED' });
    expect(versions.admit(3)).toEqual({ kind: 'admitted' });
    expect(versions.admit(2)).toEqual({ kind: 'in-flight' });
  });

  it('what comes again after the client has begun anew is owed when it fails', () => {
    const versions = new ClientVersions(10);
    const attempt = versions.begin(1, 0);
    versions.beginAnew();
    expect(versions.admit(1)).toEqual({ kind: 'in-flight' });
    expect(versions.fail(attempt)).toEqual([1]);
    expect(versions.admit(2)).toEqual({ kind: 'refused', code: 'OWED' });
  });

  it('what is appended after the connection has left takes no room of its other documents', () => {
    const budget = { bytes: 0, maxBytes: 10 };
    const versions = new ClientVersions(10, budget);
    versions.begin(1, 0, 5);
    versions.release();
    versions.begin(2, 0, 9);
    expect(budget.bytes).toBe(0);
    expect(versions.unacked).toBe(0);
  });

  it('finds the oldest attempt that has taken too long', () => {
    const versions = new ClientVersions(10);
    versions.begin(1, 10);
    versions.begin(2, 20);
    expect(versions.expired(10)).toBeUndefined();
    expect(versions.expired(15)).toMatchObject({ version: 1 });
  });
});
