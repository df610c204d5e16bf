import { afterEach, describe, expect, it } from '@jest/globals';
import type { AccessChange } from '../../../lib/lifecycle/access-record.ts';
import type { DocumentAddress, JoinAnswer } from '../../../lib/protocol/index.ts';
import { waitFor } from '../../support/wait.ts';
import { FaultyStream } from './faulty-stream.ts';
import { cleanUp, openLog, type TestLog } from './harness.ts';
import type { RawClient } from './raw-client.ts';
import { A, announce, codes, connect, Deciders, startWith, TENANT } from './rights-world.ts';

const ROOM = { tenantId: TENANT, roomId: A.roomId };

async function isRefused(client: RawClient, ...documents: DocumentAddress[]): Promise<void> {
  for (const document of documents)
    expect(await client.tryJoin(document)).toMatchObject({ code: 'PERMISSION_DENIED', permanent: true });
}

/** Those of the test that runs. */
const clients: RawClient[] = [];

async function open(url: string, userId: string): Promise<RawClient> {
  const client = await connect(url, userId);
  clients.push(client);
  return client;
}

/** Announces, and sees to it that the gateway has heard it and that its clients have what they were told. */
async function heard(log: TestLog, url: string, ...changes: AccessChange[]): Promise<void> {
  const witness = await connect(url, 'witness');
  await witness.join({ roomId: 'quiet', docId: 'a' });
  for (const change of changes) await announce(log, change);
  await announce(log, { tenantId: TENANT, roomId: 'quiet', userId: 'witness' });
  await waitFor(() => codes(witness).length > 0, { what: 'the changes are heard' });
  witness.socket.disconnect();
  // Behind this answer nothing is on its way any more.
  await Promise.all(clients.map((client) => client.answered()));
}

function newDeciders(): Deciders {
  const deciders = new Deciders();
  deciders.give('witness', 'viewer', 'quiet');
  return deciders;
}

describe('a right that is given to who was refused', () => {
  afterEach(async () => {
    clients.length = 0;
    await cleanUp();
  });

  it('is told to her open connection, which joins what it was refused', async () => {
    const log = await openLog();
    const deciders = newDeciders();
    const { url } = await startWith(log, deciders);
    const [client, other] = [await open(url, 'new'), await open(url, 'other')];
    await isRefused(client, A);
    await isRefused(other, A);
    deciders.give('new', 'editor');
    await heard(log, url, { ...ROOM, userId: 'new' });
    expect(client.nacks()).toEqual([
      { ...A, code: 'ACCESS_CHANGED', message: expect.any(String), permanent: false, retryAfterMs: 500 },
    ]);
    expect(codes(other)).toEqual([]);
    expect(await client.join(A)).toMatchObject({ readOnly: false });
    client.type(A, 'here');
    await waitFor(() => client.acks(A).length === 1);
  });

  it('is told once for each refusal, and nobody is asked for it', async () => {
    const log = await openLog();
    const deciders = newDeciders();
    const { url } = await startWith(log, deciders);
    const client = await open(url, 'new');
    await isRefused(client, A);
    const { asked } = deciders;
    await heard(log, url, { ...ROOM, userId: 'new', id: 1 }, { ...ROOM, userId: 'new', id: 1 });
    await heard(log, url, { ...ROOM, userId: 'new', id: 2 }, { ...ROOM, id: 3 });
    expect(codes(client)).toEqual(['ACCESS_CHANGED']);
    // The witness alone, when it joined.
    expect(deciders.asked - asked).toBe(2);
    await isRefused(client, A);
    await heard(log, url, { ...ROOM, userId: 'new', id: 4 });
    expect(codes(client)).toHaveLength(2);
    // Let in before the change is heard: told of the open document, not of the refusal as well.
    await isRefused(client, A);
    deciders.give('new', 'editor');
    await client.join(A);
    await heard(log, url, { ...ROOM, userId: 'new', id: 5 });
    expect(codes(client)).toHaveLength(3);
  });

  it('is told to who was removed while the document was open; the removal itself tells no refused one to come', async () => {
    const log = await openLog();
    const deciders = newDeciders();
    deciders.give('ed', 'editor');
    const { url } = await startWith(log, deciders);
    const [tab, refused] = [await open(url, 'ed'), await open(url, 'ed')];
    deciders.limits = [{ document: 'plan', access: 'none' }];
    await isRefused(refused, { ...A, docId: 'plan' });
    await tab.join(A);
    deciders.give('ed', undefined);
    await heard(log, url, { ...ROOM, userId: 'ed', revoked: true, id: 1 });
    expect([codes(tab), codes(refused)]).toEqual([['PERMISSION_DENIED'], []]);
    deciders.give('ed', 'viewer');
    await heard(log, url, { ...ROOM, userId: 'ed', id: 2 });
    expect([codes(tab), codes(refused)]).toEqual([
      ['PERMISSION_DENIED', 'ACCESS_CHANGED'],
      ['ACCESS_CHANGED'],
    ]);
    expect(await tab.join(A)).toMatchObject({ readOnly: true });
  });

  it('may concern a whole room, a whole workspace, or all rooms of a person: those documents are told, no others', async () => {
    const log = await openLog();
    const deciders = newDeciders();
    deciders.give('ed', 'editor');
    deciders.limits = [{ document: 'plan*', access: 'none' }];
    const { url } = await startWith(log, deciders);
    const ed = await open(url, 'ed');
    const plan = { ...A, docId: 'plan' };
    const part = { ...plan, subdocId: 'part' };
    const elsewhere = { ...plan, roomId: 'board-2' };
    // Whose this room is has been learned with what it let her see.
    await ed.join(A);
    const named = () => ed.nacks().map(({ roomId, docId, subdocId }) => [roomId, docId, subdocId]);
    const told = async (change: AccessChange) => {
      await isRefused(ed, plan, part, elsewhere);
      ed.seen.length = 0;
      await heard(log, url, change);
      return named();
    };
    const own = [
      ['board-1', 'plan', undefined],
      ['board-1', 'plan', 'part'],
    ];
    const all = [...own, ['board-2', 'plan', undefined]];
    const joined = ['board-1', 'a', undefined];
    expect(await told(ROOM)).toEqual([joined, ...own]);
    expect(await told({ tenantId: TENANT, userId: 'ed' })).toEqual(all);
    expect(await told({ userId: 'ed' })).toEqual(all);
    // Whose the second room is she was never told.
    expect(await told({ tenantId: 'workspace-2' })).toEqual([['board-2', 'plan', undefined]]);
    expect(await told({ tenantId: TENANT, roomId: 'board-3' })).toEqual([]);
    expect(await told({ ...ROOM, userId: 'somebody' })).toEqual([]);
    expect(await told({ sessionId: 'session-of-x' })).toEqual([]);
  });

  it('is the matter of its tenant: the same person and room of another one hear nothing', async () => {
    const log = await openLog();
    const deciders = newDeciders();
    const { url } = await startWith(log, deciders);
    const [one, two] = [await open(url, 'new@one'), await open(url, 'new@two')];
    await isRefused(one, A);
    await isRefused(two, A);
    await heard(log, url, { tenantId: 'two', roomId: A.roomId, userId: 'new' });
    expect([codes(one), codes(two)]).toEqual([[], ['ACCESS_CHANGED']]);
  });

  it('means nothing to what was refused for another reason, or has been left, or names its rooms itself', async () => {
    const log = await openLog();
    const deciders = newDeciders();
    deciders.give('ed', 'editor');
    const { url } = await startWith(log, deciders, { maxDocumentsPerSocket: 1 });
    const full = await open(url, 'ed');
    await full.join(A);
    expect(await full.tryJoin({ ...A, docId: 'b' })).toMatchObject({ code: 'TOO_MANY_DOCUMENTS' });
    const left = await open(url, 'new');
    await isRefused(left, A);
    await left.leave(A);
    await heard(log, url, ROOM);
    expect(full.nacks()).toMatchObject([{ docId: 'a', code: 'ACCESS_CHANGED' }]);
    expect(codes(left)).toEqual([]);

    const byToken = await startWith(log, deciders, {
      wrapAccess: (access) => ({
        async identify(auth) {
          const result = await access.identify(auth);
          if (result.ok && result.identity.userId === 'bearer') result.identity.rooms = {};
          return result;
        },
        mayUse: (who, room) => (who.rooms ? { read: false, write: false } : access.mayUse(who, room)),
      }),
    });
    const bearer = await open(byToken.url, 'bearer');
    await isRefused(bearer, A);
    await heard(log, byToken.url, { ...ROOM, userId: 'bearer' }, ROOM);
    expect(codes(bearer)).toEqual([]);
  });

  it('is told of as many documents as a connection may have, those that were refused last', async () => {
    const log = await openLog();
    const deciders = newDeciders();
    const { url } = await startWith(log, deciders, { maxDocumentsPerSocket: 3 });
    const client = await open(url, 'new');
    for (let n = 0; n < 10; n++) await isRefused(client, { ...A, docId: `${n}` });
    await heard(log, url, ROOM);
    expect(client.nacks().map(({ docId }) => docId)).toEqual(['7', '8', '9']);
  });

  it('while a join is decided by what was before is told behind its refusal', async () => {
    const log = await openLog();
    const deciders = newDeciders();
    let letGo = () => undefined as void;
    const held = new Promise<void>((resolve) => (letGo = resolve));
    let isHeld = false;
    const { url } = await startWith(log, deciders, {
      wrapAccess: (access) => ({
        identify: (auth) => access.identify(auth),
        async mayUse(who, room) {
          const answer = await access.mayUse(who, room);
          isHeld = who.userId === 'new';
          if (isHeld) await held;
          return answer;
        },
      }),
    });
    const client = await open(url, 'new');
    const order: string[] = [];
    client.socket.on('protocol-nack', ({ code }) => order.push(code));
    const request = { ...A, senderId: client.senderId };
    client.socket.emit('join', request, (answer: JoinAnswer) => order.push(answer.ok ? 'ok' : answer.code));
    await waitFor(() => isHeld);
    deciders.give('new', 'editor');
    await heard(log, url, { ...ROOM, userId: 'new' });
    letGo();
    await waitFor(() => order.length === 2);
    expect(order).toEqual(['PERMISSION_DENIED', 'ACCESS_CHANGED']);
    expect(await client.join(A)).toMatchObject({ readOnly: false });
  });

  it('may have been missed while the control topic was not read: who was refused is told afterwards', async () => {
    const log = await openLog();
    const deciders = newDeciders();
    const faulty = new FaultyStream(log.stream);
    const { url } = await startWith(log, deciders, { stream: faulty.port });
    const client = await open(url, 'new');
    await isRefused(client, A);
    await faulty.breakFollows(new Error('gone'));
    await waitFor(() => codes(client).length > 0, { what: 'she is told' });
    expect(client.nacks()).toMatchObject([{ ...A, code: 'ACCESS_CHANGED' }]);
  });
});
