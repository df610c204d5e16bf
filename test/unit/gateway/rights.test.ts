import { afterEach, describe, expect, it } from '@jest/globals';
import type { PresenceSync } from '../../../lib/protocol/index.ts';
import { waitFor } from '../../support/wait.ts';
import { cleanUp, openLog } from './harness.ts';
import { RawClient } from './raw-client.ts';
import { ForwardClock } from './steered-clock.ts';
import { A, announce, codes, connect, Deciders, startWith, TENANT, updatesIn } from './rights-world.ts';

describe('rights on open connections', () => {
  afterEach(cleanUp);

  it('the role decides who may enter, read and write, and whose the document is', async () => {
    const log = await openLog();
    const deciders = new Deciders();
    deciders.give('ed', 'editor');
    deciders.give('vi', 'viewer');
    const { url, gateway } = await startWith(log, deciders);
    const [ed, vi, stranger] = await Promise.all(['ed', 'vi', 'no'].map((user) => connect(url, user)));
    expect(await ed!.join(A)).toMatchObject({ readOnly: false });
    expect(await vi!.join(A)).toMatchObject({ readOnly: true });
    expect(await stranger!.tryJoin(A)).toMatchObject({ code: 'PERMISSION_DENIED', permanent: true });
    vi!.type(A, 'no');
    await waitFor(() => codes(vi!).includes('READ_ONLY'));
    ed!.type(A, 'yes');
    await waitFor(() => ed!.acks(A).length === 1);
    expect(await updatesIn(log)).toBe(1);
    expect(gateway.registry.inspect(10)).toEqual([expect.objectContaining({ tenantId: TENANT })]);
  });

  it('a stranger is asked about each time: a right that was just given is there', async () => {
    const log = await openLog();
    const deciders = new Deciders();
    const { url } = await startWith(log, deciders);
    const client = await connect(url, 'new');
    expect(await client.tryJoin(A)).toMatchObject({ code: 'PERMISSION_DENIED' });
    deciders.give('new', 'editor');
    expect(await client.join(A)).toMatchObject({ readOnly: false });
  });

  it('nobody is turned away by what is remembered: a rule that was just lifted is', async () => {
    const log = await openLog();
    const deciders = new Deciders();
    deciders.give('ed', 'editor');
    deciders.limits = [{ document: A.docId, access: 'none' }];
    const { url } = await startWith(log, deciders);
    const client = await connect(url, 'ed');
    expect(await client.tryJoin(A)).toMatchObject({ code: 'PERMISSION_DENIED' });
    expect(await client.join({ ...A, docId: 'other' })).toMatchObject({ readOnly: false });
    deciders.limits = [];
    expect(await client.join(A)).toMatchObject({ readOnly: false });
  });

  it('who is removed while she types can write at neither of two gateways, and comes in no more', async () => {
    const log = await openLog();
    const deciders = new Deciders();
    deciders.give('ed', 'editor');
    const gateways = await Promise.all([startWith(log, deciders), startWith(log, deciders)]);
    const tabs = await Promise.all(gateways.map(({ url }) => connect(url, 'ed')));
    for (const tab of tabs) {
      await tab.join(A);
      tab.type(A, 'before');
      await waitFor(() => tab.acks(A).length === 1);
    }
    deciders.give('ed', undefined);
    await announce(log, { tenantId: TENANT, roomId: A.roomId, userId: 'ed', revoked: true });
    for (const tab of tabs) {
      await waitFor(() => codes(tab).includes('PERMISSION_DENIED'));
      tab.type(A, 'after');
      await waitFor(() => codes(tab).includes('NOT_JOINED'));
      expect(await tab.tryJoin(A)).toMatchObject({ code: 'PERMISSION_DENIED', permanent: true });
    }
    expect(await updatesIn(log)).toBe(2);
  });

  it('who is demoted is told, joins again and may read on; who is promoted may write', async () => {
    const log = await openLog();
    const deciders = new Deciders();
    deciders.give('ed', 'editor');
    const { url } = await startWith(log, deciders);
    const client = await connect(url, 'ed');
    await client.join(A);
    for (const [role, readOnly] of [
      ['viewer', true],
      ['owner', false],
    ] as const) {
      deciders.give('ed', role);
      const before = codes(client).length;
      await announce(log, { tenantId: TENANT, userId: 'ed' });
      await waitFor(() => codes(client).length > before);
      expect(codes(client).at(-1)).toBe('ACCESS_CHANGED');
      expect(await client.join(A)).toMatchObject({ readOnly });
    }
  });

  it('who has to join again and may, has not left for the others, nor they for her; who does not, has in the end', async () => {
    const log = await openLog();
    const deciders = new Deciders();
    for (const user of ['ed', 'lost', 'witness']) deciders.give(user, 'editor');
    const clock = new ForwardClock();
    const { url } = await startWith(log, deciders, { clock });
    const [ed, lost, witness] = await Promise.all(
      ['ed', 'lost', 'witness'].map((user) => connect(url, user)),
    );
    const told: string[] = [];
    const listen = (client: RawClient, name: string) => {
      for (const [event, sign] of [
        ['presence:join', '+'],
        ['presence:leave', '-'],
      ] as const)
        client.socket.on(event, ({ userId }: { userId: string }) => told.push(`${name}: ${sign}${userId}`));
      client.socket.on('presence:sync', ({ all, users }: PresenceSync) => {
        if (all) told.push(`${name}: all ${users.length}`);
      });
    };
    listen(witness!, 'witness');
    listen(ed!, 'ed');
    for (const [client, seen] of [
      [witness, ['witness: all 1']],
      [ed, ['witness: +ed', 'ed: all 2']],
      [lost, ['witness: +lost', 'ed: +lost']],
    ] as const) {
      await client!.join(A);
      await waitFor(() => seen.every((what) => told.includes(what)), { what: seen.join() });
    }
    told.length = 0;
    for (const userId of ['lost', 'ed']) await announce(log, { tenantId: TENANT, roomId: A.roomId, userId });
    await waitFor(() => codes(ed!).includes('ACCESS_CHANGED') && codes(lost!).includes('ACCESS_CHANGED'));
    await ed!.join(A);
    await clock.hastenUntil(() => told.includes('witness: -lost'), 'the lost one has left');
    expect(told.filter((what) => what.startsWith('witness: '))).toEqual(['witness: -lost']);
    expect(told).not.toContain('ed: all 0');
    ed!.socket.disconnect();
    await waitFor(() => told.includes('witness: -ed'), { what: 'she has left' });
  });

  it('a document may need more than its room: to be seen, and to be changed, from the moment it is said', async () => {
    const log = await openLog();
    const deciders = new Deciders();
    deciders.give('ed', 'editor');
    deciders.give('own', 'owner');
    deciders.limits = [{ document: 'secret*', access: 'none' }];
    const { url } = await startWith(log, deciders);
    const [ed, own] = [await connect(url, 'ed'), await connect(url, 'own')];
    const secret = { ...A, docId: 'secret-plan' };
    expect(await ed.tryJoin(secret)).toMatchObject({ code: 'PERMISSION_DENIED', permanent: true });
    expect(await own.join(secret)).toMatchObject({ readOnly: false });
    expect(await ed.join(A)).toMatchObject({ readOnly: false });
    const part = { ...A, subdocId: 'part' };
    expect(await ed.join(part)).toMatchObject({ readOnly: false });
    deciders.limits = [{ document: 'a/part', access: 'read' }];
    await announce(log, { tenantId: TENANT, roomId: A.roomId });
    // Also of the document that she was refused.
    await waitFor(() => codes(ed).filter((code) => code === 'ACCESS_CHANGED').length === 3);
    expect(await ed.join(A)).toMatchObject({ readOnly: false });
    expect(await ed.join(part)).toMatchObject({ readOnly: true });
    expect(await ed.join(secret)).toMatchObject({ readOnly: false });
    ed.type(part, 'no');
    await waitFor(() => codes(ed).includes('READ_ONLY'));
    ed.type(A, 'yes');
    await waitFor(() => ed.acks(A).length === 1);
  });

  it('an answer that has changed unheard is applied to each document as its rules say', async () => {
    const log = await openLog();
    const deciders = new Deciders();
    deciders.give('ed', 'editor');
    const { url } = await startWith(log, deciders, { accessTtlMs: 1_000 });
    const ed = await connect(url, 'ed');
    const [plan, secret] = [
      { ...A, docId: 'plan' },
      { ...A, docId: 'secret' },
    ];
    for (const document of [A, plan, secret]) await ed.join(document);
    deciders.limits = [
      { document: 'plan', access: 'read' },
      { document: 'secret', access: 'none' },
    ];
    await waitFor(() => codes(ed).length === 2, { timeoutMs: 10_000 });
    const told = ed.nacks().map(({ docId, code }) => `${docId} ${code}`);
    expect(told.sort()).toEqual(['plan ACCESS_CHANGED', 'secret PERMISSION_DENIED']);
    expect(await ed.join(plan)).toMatchObject({ readOnly: true });
    ed.type(A, 'goes on');
    await waitFor(() => ed.acks(A).length === 1);
  });

  it('a change that concerns others disturbs nobody', async () => {
    const log = await openLog();
    const deciders = new Deciders();
    deciders.give('ed', 'editor');
    deciders.give('x', 'editor');
    const { url } = await startWith(log, deciders);
    const [ed, x] = [await connect(url, 'ed'), await connect(url, 'x')];
    await ed.join(A);
    await x.join(A);
    await announce(log, { tenantId: 'workspace-2' });
    await announce(log, { tenantId: TENANT, roomId: 'board-2' });
    await announce(log, { tenantId: TENANT, roomId: A.roomId, userId: 'x' });
    await waitFor(() => codes(x).includes('ACCESS_CHANGED'));
    ed.type(A, 'goes on');
    await waitFor(() => ed.acks(A).length === 1);
    expect(codes(ed)).toEqual([]);
  });

  it('a look-up during which a change arrives is made again', async () => {
    const log = await openLog();
    const deciders = new Deciders();
    deciders.give('ed', 'editor');
    deciders.give('witness', 'viewer');
    const { url } = await startWith(log, deciders);
    const witness = await connect(url, 'witness');
    await witness.join(A);
    let letGo = () => undefined as void;
    deciders.hold = new Promise((resolve) => (letGo = resolve));
    const before = deciders.asked;
    const client = await connect(url, 'ed');
    const joining = client.tryJoin(A);
    await waitFor(() => deciders.asked > before);
    deciders.give('ed', undefined);
    await announce(log, { tenantId: TENANT, roomId: A.roomId });
    await waitFor(() => codes(witness).includes('ACCESS_CHANGED'));
    letGo();
    expect(await joining).toMatchObject({ code: 'PERMISSION_DENIED' });
    expect(deciders.asked).toBe(before + 2);
  });

  it('a revocation that comes again does nothing, one behind a later change only asks anew', async () => {
    const log = await openLog();
    const deciders = new Deciders();
    deciders.give('ed', 'editor');
    deciders.give('x', 'editor');
    const { url } = await startWith(log, deciders);
    const [ed, x] = [await connect(url, 'ed'), await connect(url, 'x')];
    await x.join(A);
    await ed.join(A);
    const revoked = { tenantId: TENANT, roomId: A.roomId, userId: 'ed', revoked: true };
    await announce(log, { ...revoked, id: 7 });
    await waitFor(() => codes(ed).join() === 'PERMISSION_DENIED');
    // Let in again meanwhile.
    await ed.join(A);
    await announce(log, { ...revoked, id: 7 });
    await announce(log, { tenantId: TENANT, roomId: A.roomId, userId: 'x', id: 8 });
    await waitFor(() => codes(x).includes('ACCESS_CHANGED'));
    ed.type(A, 'goes on');
    await waitFor(() => ed.acks(A).length === 1);
    await announce(log, { ...revoked, id: 5 });
    await waitFor(() => codes(ed).join() === 'PERMISSION_DENIED,ACCESS_CHANGED');
  });

  it('a session that has ended ends its connections', async () => {
    const log = await openLog();
    const deciders = new Deciders();
    deciders.give('ed', 'editor');
    const { url } = await startWith(log, deciders);
    const client = await connect(url, 'ed');
    const closed = new Promise((resolve) => client.socket.on('protocol-close', resolve));
    await announce(log, { sessionId: 'session-of-ed' });
    expect(await closed).toMatchObject({ code: 'UNAUTHENTICATED', permanent: true });
    // Its access token lives on for some minutes and opens nothing here.
    const again = new RawClient(url, { auth: { token: 'ed' } });
    const error = await new Promise<Error & { data?: unknown }>((resolve) =>
      again.socket.on('connect_error', resolve),
    );
    expect(error.data).toMatchObject({ code: 'UNAUTHENTICATED', permanent: true });
  });
});
