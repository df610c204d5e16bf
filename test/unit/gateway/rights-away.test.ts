import { afterEach, describe, expect, it } from '@jest/globals';
import { waitFor } from '../../support/wait.ts';
import { cleanUp, openLog } from './harness.ts';
import { A, announce, codes, connect, Deciders, startWith, TENANT } from './rights-world.ts';

describe('while nobody can be asked about rights', () => {
  afterEach(cleanUp);

  it('while nobody can be asked, open documents go on, joins wait, and a revocation still wins', async () => {
    const log = await openLog();
    const deciders = new Deciders();
    deciders.give('ed', 'editor');
    deciders.give('x', 'editor');
    const { url } = await startWith(log, deciders, { accessTtlMs: 1_000 });
    const [ed, x] = [await connect(url, 'ed'), await connect(url, 'x')];
    await ed.join(A);
    await x.join(A);
    deciders.isAway = true;
    const asked = deciders.asked;
    await waitFor(() => deciders.asked > asked + 1, { timeoutMs: 10_000, what: 'asked again in vain' });
    ed.type(A, 'goes on');
    await waitFor(() => ed.acks(A).length === 1);
    const late = await connect(url, 'ed');
    expect(await late.tryJoin(A)).toMatchObject({ code: 'UNAVAILABLE', permanent: false });
    await announce(log, { tenantId: TENANT, roomId: A.roomId, userId: 'x', revoked: true });
    await waitFor(() => codes(x).includes('PERMISSION_DENIED'));
    expect(codes(ed)).toEqual([]);
  });

  it('beyond the time of grace nothing goes on that nobody vouches for', async () => {
    const log = await openLog();
    const deciders = new Deciders();
    deciders.give('ed', 'editor');
    const { url } = await startWith(log, deciders, { accessTtlMs: 1_000, accessGraceMs: 500 });
    const ed = await connect(url, 'ed');
    await ed.join(A);
    deciders.isAway = true;
    await waitFor(() => codes(ed).includes('ACCESS_CHANGED'), { timeoutMs: 10_000 });
    expect(await ed.tryJoin(A)).toMatchObject({ code: 'UNAVAILABLE', permanent: false });
  });

  it('nor when the decision has been forgotten, because changes may have been missed', async () => {
    const log = await openLog();
    const deciders = new Deciders();
    deciders.give('ed', 'editor');
    const { url, roles } = await startWith(log, deciders, { accessTtlMs: 1_000, accessGraceMs: 500 });
    const ed = await connect(url, 'ed');
    await ed.join(A);
    deciders.isAway = true;
    roles.forgetAll();
    await waitFor(() => codes(ed).includes('ACCESS_CHANGED'), { timeoutMs: 10_000 });
    expect(await ed.tryJoin(A)).toMatchObject({ code: 'UNAVAILABLE', permanent: false });
  });
});
