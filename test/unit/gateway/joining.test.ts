import { afterEach, describe, expect, it } from '@jest/globals';
import * as Y from 'yjs';
import { AppError } from '../../../lib/errors.ts';
import { encodeClientEntries, encodeSyncStep1, createMetadata } from '../../../lib/protocol/index.ts';
import type { AccessControl } from '../../../lib/gateway/port.ts';
import { waitFor } from '../../support/wait.ts';
import { FaultyStream } from './faulty-stream.ts';
import { cleanUp, openLog, startGateway } from './harness.ts';
import { RawClient } from './raw-client.ts';
import { startSlow } from './slow-sync.ts';
import { SteeredClock } from './steered-clock.ts';

afterEach(cleanUp);

const A = { roomId: 'room', docId: 'a' };

describe('joining without a gap', () => {
  it('what is appended while the state is on its way comes after it, exactly once', async () => {
    const { sync, url } = await startSlow();
    const [ann, bob] = [await RawClient.connect(url), await RawClient.connect(url)];
    await ann.join(A);
    ann.type(A, 'before ');
    await waitFor(() => ann.acks(A).length === 1);
    const release = sync.hold();
    const joining = bob.join(A);
    await waitFor(() => sync.requests.length === 2);
    ann.type(A, 'meanwhile ');
    await waitFor(() => ann.acks(A).length === 2);
    release();
    const answer = await joining;
    expect(answer.position.offset).toBe(0);
    // The state says which of the entries behind it completes the join.
    expect(bob.states(A)[0]).toMatchObject({ position: { offset: 0 }, through: 1 });
    ann.type(A, 'after');
    await waitFor(() => bob.text(A) === 'before meanwhile after');
    expect(bob.entries().map(({ position, previous }) => [position.offset, previous])).toEqual([
      [1, 0],
      [2, 1],
    ]);
  });

  it('an answer ahead of the follow: nothing that is in the state is delivered again', async () => {
    const log = await openLog();
    const faulty = new FaultyStream(log.stream);
    const { url } = await startGateway(log, { stream: faulty.port });
    const [ann, bob] = [await RawClient.connect(url), await RawClient.connect(url)];
    await ann.join(A);
    faulty.hold();
    ann.type(A, 'x');
    await waitFor(
      async () => (await log.stream.endOffset(log.topics.target('doc', { tenantId: 'default', ...A }))) === 1,
    );
    await bob.join(A);
    expect(bob.text(A)).toBe('x');
    faulty.release();
    await waitFor(() => ann.isAcked(A, 1));
    ann.type(A, 'y');
    await waitFor(() => bob.text(A) === 'xy');
    expect(bob.entries()).toHaveLength(1);
  });

  it('a ring that was too small for a slow join: the rest comes by a resume from the answer', async () => {
    const { sync, url } = await startSlow({ ringBytes: 4096 });
    const [ann, bob] = [await RawClient.connect(url), await RawClient.connect(url)];
    await ann.join(A);
    const release = sync.hold();
    const joining = bob.join(A);
    await waitFor(() => sync.requests.length === 2);
    for (let i = 0; i < 40; i++) ann.type(A, 'x'.repeat(200));
    await waitFor(() => ann.acks(A).length === 40);
    release();
    await joining;
    await waitFor(() => bob.text(A) === 'x'.repeat(8000));
    expect(bob.states(A).map(({ join, kind }) => [join, kind])).toEqual([
      [1, 'full'],
      [0, 'delta'],
    ]);
  });

  it('a returning client gets what came after its position, and learns which of its versions are there', async () => {
    const log = await openLog();
    const { url } = await startGateway(log);
    const [ann, bob] = [await RawClient.connect(url), await RawClient.connect(url)];
    await ann.join(A);
    await bob.join(A);
    ann.type(A, 'a');
    await waitFor(() => bob.text(A) === 'a');
    const position = bob.entries().at(-1)!.position;
    bob.socket.disconnect();
    ann.type(A, 'b');
    await waitFor(() => ann.isAcked(A, 2));
    const other = await startGateway(log);
    const again = await RawClient.connect(other.url);
    again.docs.set('room/a', bob.doc(A));
    const answer = await again.join({ ...A, position, senderId: ann.senderId });
    expect(again.states(A)[0]).toMatchObject({ kind: 'delta', appended: [[2, 2]] });
    expect(answer.appended).toEqual([[2, 2]]);
    expect(again.text(A)).toBe('ab');
  });

  it('a gap is repaired on the open socket while live delivery goes on', async () => {
    const { sync, url } = await startSlow({ ringBytes: 4096 });
    const [ann, bob] = [await RawClient.connect(url), await RawClient.connect(url)];
    await ann.join(A);
    await bob.join(A);
    const long = 'a'.repeat(5000);
    ann.type(A, long);
    await waitFor(() => bob.text(A) === long);
    const release = sync.hold();
    const position = { ...bob.entries()[0]!.position, offset: -1 };
    const repairing = bob.join({ ...A, position });
    await waitFor(() => sync.requests.length === 3);
    ann.type(A, 'b');
    await waitFor(() => bob.text(A) === `${long}b`);
    release();
    const answer = await repairing;
    expect(answer.position.offset).toBe(0);
    ann.type(A, 'c');
    await waitFor(() => bob.text(A) === `${long}bc`);
    // Behind the state the chain has no gap, although one entry had come before it.
    const after = bob.seen.slice(bob.seen.findLastIndex(({ kind }) => kind === 'state'));
    const chain = after.flatMap((seen) => (seen.kind === 'entries' ? seen.entries : []));
    expect(chain.map(({ position: at, previous }) => [at.offset, previous])).toEqual([
      [1, 0],
      [2, 1],
    ]);
  });

  it('one that was away for a moment is served from the ring alone, even while nothing else answers', async () => {
    const { sync, url } = await startSlow();
    const [ann, bob] = [await RawClient.connect(url), await RawClient.connect(url)];
    await ann.join(A);
    await bob.join(A);
    ann.type(A, 'a');
    await waitFor(() => bob.text(A) === 'a');
    const { position } = bob.entries().at(-1)!;
    bob.socket.disconnect();
    sync.failWith = new AppError('SERVICE_UNAVAILABLE');
    ann.type(A, 'b');
    await waitFor(() => ann.isAcked(A, 2));
    const again = await RawClient.connect(url);
    again.docs.set('room/a', bob.doc(A));
    const answer = await again.join({ ...A, position, senderId: ann.senderId });
    expect(answer).toMatchObject({ position, appended: [[2, 2]] });
    // Even its own entry comes whole: it may lack the content.
    await waitFor(() => again.text(A) === 'ab');
    expect(again.entries()[0]).toMatchObject({ previous: position.offset });
    const stranger = await RawClient.connect(url);
    stranger.docs.set('room/a', bob.doc(A));
    await stranger.join({ ...A, position });
    await waitFor(() => stranger.text(A) === 'ab');
    expect(await again.tryJoin({ ...A, position: { ...position, generation: 2 } })).toMatchObject({
      code: 'UNAVAILABLE',
    });
  });

  it('refuses transiently while the history is not to be had; the socket can try again', async () => {
    const { sync, url, gateway } = await startSlow();
    const ann = await RawClient.connect(url);
    sync.failWith = new AppError('STORE_BEHIND');
    expect(await ann.tryJoin(A)).toMatchObject({ ok: false, code: 'STORE_BEHIND', permanent: false });
    sync.failWith = new AppError('SERVICE_UNAVAILABLE');
    expect(await ann.tryJoin(A)).toMatchObject({ ok: false, code: 'UNAVAILABLE', permanent: false });
    expect(gateway.registry.inspect(10)[0]?.documents[0]?.subscriptions).toBe(0);
    sync.failWith = undefined;
    await ann.join(A);
  });

  it('a join that takes too long is refused, and a later answer changes nothing', async () => {
    const clock = new SteeredClock();
    const { sync, url } = await startSlow({ joinTimeoutMs: 2_000 }, clock);
    const ann = await RawClient.connect(url);
    const release = sync.hold();
    const joining = ann.tryJoin(A);
    await waitFor(() => sync.requests.length === 1);
    clock.advance(2_000);
    expect(await joining).toMatchObject({ ok: false, code: 'UNAVAILABLE', permanent: false });
    release();
    const answer = await ann.join(A);
    expect(ann.states(A)).toMatchObject([{ join: answer.join }]);
  });

  it('has one time limit for all its parts: the right, the follow, the state', async () => {
    const log = await openLog();
    const never = new Promise<never>(() => undefined);
    const clock = new SteeredClock();
    let asked = 0;
    const open = { read: true, write: true } as const;
    // The second question comes when the document is hosted: of the limit a good part is gone.
    const access: AccessControl = {
      identify: async () => ({ ok: true, identity: { tenantId: 'default' } }),
      mayUse: () => (clock.advance(1_500), ++asked % 2 === 0 ? never : open),
    };
    const { url } = await startGateway(log, { access, clock, config: { joinTimeoutMs: 3_100 } });
    const ann = await RawClient.connect(url);
    const joining = ann.tryJoin(A);
    let isAnswered = false;
    const noted = joining.then(() => (isAnswered = true));
    await waitFor(() => asked === 2);
    clock.advance(99);
    await ann.answered();
    expect(isAnswered).toBe(false);
    clock.advance(1);
    await noted;
    expect(await joining).toMatchObject({ ok: false, code: 'UNAVAILABLE', permanent: false });
    expect(asked).toBe(2);
  });

  it('answers the question of a SyncStep1 by a state, and appends nothing', async () => {
    const log = await openLog();
    const { url } = await startGateway(log);
    const ann = await RawClient.connect(url);
    await ann.join(A);
    ann.type(A, 'x');
    await waitFor(() => ann.isAcked(A, 1));
    const metadata = createMetadata({ ...A, senderId: ann.senderId, version: 0 });
    ann.sendFrame(encodeClientEntries([encodeSyncStep1(metadata, Uint8Array.of(0))]));
    await waitFor(() => ann.states(A).length === 2);
    expect(ann.states(A)[1]).toMatchObject({ join: 0, kind: 'full', position: { offset: 0 } });
    expect(await log.stream.endOffset(log.topics.target('doc', { tenantId: 'default', ...A }))).toBe(1);
  });

  it('large updates and states travel in chunks, both ways', async () => {
    const { url } = await startGateway(await openLog(), { config: { maxFrameBytes: 300_000 } });
    const [ann, bob] = [await RawClient.connect(url), await RawClient.connect(url)];
    await ann.join(A);
    await bob.join(A);
    const text = Array.from({ length: 300_000 }, (_, at) => String.fromCharCode(97 + (at % 26))).join('');
    ann.type(A, text);
    ann.type(A, '!');
    await waitFor(() => bob.text(A) === `${text}!`);
    await waitFor(() => ann.isAcked(A, 2));
    // In the order of arrival, although the first one was checked in the worker thread.
    expect(bob.entries().map(({ position }) => position.offset)).toEqual([0, 1]);
    const carol = await RawClient.connect(url, { transports: ['polling'] });
    await carol.join(A);
    expect(carol.text(A)).toBe(`${text}!`);
    expect(carol.states(A)).toHaveLength(1);
  });

  it('one that has left gets nothing more; what it had is taken from the registry after a while', async () => {
    const { url, gateway } = await startGateway(await openLog());
    const [ann, bob] = [await RawClient.connect(url), await RawClient.connect(url)];
    await ann.join(A);
    await bob.join(A);
    await bob.leave(A);
    ann.type(A, 'x');
    await waitFor(() => ann.isAcked(A, 1));
    expect(bob.entries()).toEqual([]);
    bob.send(A, Y.encodeStateAsUpdate(new Y.Doc()));
    expect(await waitFor(() => bob.nacks()[0])).toMatchObject({ code: 'NOT_JOINED', permanent: false });
    expect(gateway.registry.inspect(10)[0]?.documents[0]?.subscriptions).toBe(1);
  });

  it('a join whose client has gone while it waited for its turn is not computed', async () => {
    const { sync, url, gateway } = await startSlow({ joinConcurrency: 1 });
    const release = sync.hold();
    const [ann, bob] = [await RawClient.connect(url), await RawClient.connect(url)];
    const first = ann.join(A);
    await waitFor(() => sync.requests.length === 1);
    const gone = bob.tryJoin(A).catch(() => undefined);
    await waitFor(() => gateway.registry.inspect(1)[0]?.documents[0]?.subscriptions === 2);
    bob.socket.disconnect();
    await waitFor(() => gateway.connections === 1);
    release();
    await Promise.all([first, gone]);
    const carol = await RawClient.connect(url);
    await carol.join(A);
    expect(sync.requests.map(({ senderId }) => senderId)).toEqual([ann.senderId, carol.senderId]);
  });

  it('one that leaves while its join is on the way is not joined by it', async () => {
    const log = await openLog();
    const { promise, resolve } = Promise.withResolvers<void>();
    const access: AccessControl = {
      identify: () => Promise.resolve({ ok: true, identity: { tenantId: 'default' } }),
      mayUse: () => promise.then(() => ({ read: true, write: true })),
    };
    const { url, gateway } = await startGateway(log, { access });
    const ann = await RawClient.connect(url);
    const joining = ann.tryJoin(A);
    await ann.leave(A);
    resolve();
    expect(await joining).toMatchObject({ ok: false, permanent: false });
    expect(gateway.registry.inspect(10)[0]?.documents[0]?.subscriptions).toBe(0);
    // It may join again.
    expect(await ann.tryJoin(A)).toMatchObject({ ok: true });
  });
});
