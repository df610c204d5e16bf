import { afterEach, describe, expect, it } from '@jest/globals';
import * as Y from 'yjs';
import type { JoinAnswer } from '../../../lib/protocol/index.ts';
import { ProtocolManager } from '../../../lib/provider/index.ts';
import { waitFor } from '../../support/wait.ts';
import { RateLimit, RateLimits } from '../../../lib/gateway/rate-limits.ts';
import { FaultyStream } from './faulty-stream.ts';
import { cleanUp, onCleanUp, openLog, startGateway } from './harness.ts';
import { RawClient } from './raw-client.ts';

afterEach(cleanUp);

const MB = 1024 * 1024;
const A = { roomId: 'room', docId: 'a' };
const B = { roomId: 'room', docId: 'b' };

const NONE = {
  connectionUpdatesPerSecond: 0,
  connectionBytesPerSecond: 0,
  connectionJoinsPerSecond: 0,
  connectionPresencePerSecond: 0,
  roomUpdatesPerSecond: 0,
  roomBytesPerSecond: 0,
  maxUpdateBytes: 1,
  maxUnackedBytes: 1,
};

async function setUp(config = {}) {
  const log = await openLog();
  const { url } = await startGateway(log, { config });
  return { url, ann: await RawClient.connect(url), bob: await RawClient.connect(url) };
}

/** As a client does after a transient nack: the rest again, in order. True when there is no rest. */
function sendUnacked(client: RawClient, updates: readonly Uint8Array[]): boolean {
  const acked = new Set(client.acks(A).map(({ version }) => version));
  const rest = updates
    .map((update, at) => ({ update, version: at + 1 }))
    .filter(({ version }) => !acked.has(version));
  for (const { update, version } of rest) client.send(A, update, { version });
  return rest.length === 0;
}

describe('a rate limit', () => {
  it('takes a burst, then refuses with the time to wait, and counts nothing that it refused', () => {
    const limit = new RateLimit(2, 1_000_000, 1000);
    for (let i = 0; i < 10; i++) expect(limit.take(1)).toBe(0);
    // What is given back meanwhile is a handful.
    const waits = Array.from({ length: 20 }, () => limit.take(1));
    expect(waits.at(-1)).toBeGreaterThanOrEqual(100);
    limit.restore(1);
    expect(limit.take(1)).toBe(0);
  });

  it('is none with a rate of 0, and always has room for the largest update', () => {
    const none = new RateLimit(0, 0, 0);
    for (let i = 0; i < 1000; i++) expect(none.take(10_000_000)).toBe(0);
    const small = new RateLimit(0, 1000, 100_000);
    expect(small.take(100_000)).toBe(0);
    expect(small.take(100_000)).toBeGreaterThan(10_000);
  });

  it.each([
    ['a thousand a second, however much it may send otherwise', 100_000, 5_000],
    ['its rate when that is less', 4, 20],
  ])('of what a connection sends in vain is %s', (_, connectionUpdatesPerSecond, atOnce) => {
    const beganAt = performance.now();
    const limit = new RateLimits({ ...NONE, connectionUpdatesPerSecond }).vain();
    let taken = 0;
    while (limit.take(1) === 0) taken++;
    const givenBack = ((performance.now() - beganAt) / 1_000) * (atOnce / 5);
    expect(taken).toBeGreaterThanOrEqual(atOnce);
    expect(taken).toBeLessThanOrEqual(atOnce + givenBack + 10);
  });

  it.each([
    ['all that may be on its way and then two megabytes a second', 16 * MB, 32 * MB, 1_000],
    ['its rate when that is less', MB / 2, MB, 4_000],
  ])('of bytes that are sent in vain is %s', (_, connectionBytesPerSecond, maxUnackedBytes, waitMs) => {
    const limit = new RateLimits({ ...NONE, connectionBytesPerSecond, maxUnackedBytes }).vain();
    const atOnce = Math.max(maxUnackedBytes, 5 * Math.min(2 * MB, connectionBytesPerSecond));
    expect(limit.take(atOnce)).toBe(0);
    // For as much again as it may send in so long; what is given back meanwhile is little.
    const wait = limit.take(2 * MB);
    expect(wait).toBeGreaterThan(waitMs / 2);
    expect(wait).toBeLessThanOrEqual(waitMs);
  });

  it('of what is sent in vain is none where there is none at all', () => {
    const limit = new RateLimits(NONE).vain();
    for (let i = 0; i < 10_000; i++) expect(limit.take(1_000)).toBe(0);
  });

  it('is one for all documents of a room', () => {
    const limits = new RateLimits({ ...NONE, roomUpdatesPerSecond: 1 });
    const id = { tenantId: 't', roomId: 'r' };
    expect(limits.room({ ...id, docId: 'x' })).toBe(limits.room({ ...id, docId: 'y' }));
    expect(limits.room({ ...id, docId: 'x' })).not.toBe(limits.room({ ...id, roomId: 's', docId: 'x' }));
  });
});

describe('a client that sends too much', () => {
  it('gets a transient nack with the time to wait; later versions are owed; in the end all is there, in order', async () => {
    const { ann, bob } = await setUp({ connectionUpdatesPerSecond: 10 });
    await ann.join(A);
    await bob.join(A);
    const updates = Array.from({ length: 90 }, (_, i) => ann.edit(A, String(i % 10)));
    for (const update of updates) ann.send(A, update);
    await waitFor(() => ann.nacks().length >= 2);
    const [first, second] = ann.nacks();
    expect(first).toMatchObject({ ...A, code: 'RATE_LIMITED', permanent: false });
    expect(first!.retryAfterMs).toBeGreaterThanOrEqual(100);
    expect(first!.version).toBeGreaterThan(50);
    expect(second).toMatchObject({ version: first!.version! + 1, code: 'OWED' });
    let answered = 0;
    await waitFor(
      () => {
        const refusals = ann.nacks().filter(({ code }) => code === 'RATE_LIMITED').length;
        if (refusals === answered) return ann.isAcked(A, updates.length);
        answered = refusals;
        return sendUnacked(ann, updates);
      },
      { intervalMs: 300, timeoutMs: 60_000, what: 'the rest is taken at the rate' },
    );
    await waitFor(() => bob.text(A) === ann.text(A));
  });

  it('and repeats what is under way without listening does not use up what its next update needs', async () => {
    const log = await openLog();
    const faulty = new FaultyStream(log.stream);
    const config = { connectionUpdatesPerSecond: 4 };
    const { url } = await startGateway(log, { stream: faulty.port, config });
    const ann = await RawClient.connect(url);
    await ann.join(A);
    faulty.hold();
    const updates = Array.from({ length: 15 }, (_, i) => ann.edit(A, String(i % 10)));
    const sendTo = (last: number) =>
      updates.slice(0, last).forEach((update, at) => ann.send(A, update, { version: at + 1 }));
    // Each time everything from the beginning: 120 messages of 15 updates, of which 20 may come at once.
    for (let last = 1; last <= updates.length; last++) sendTo(last);
    await ann.tryJoin(B);
    faulty.release();
    await waitFor(() => ann.isAcked(A, updates.length), { what: 'all are acked' });
    expect(ann.nacks()).toEqual([]);
  });

  it('is not read for a while also when all that it sends are repeats', async () => {
    const log = await openLog();
    const faulty = new FaultyStream(log.stream);
    const config = { connectionUpdatesPerSecond: 4 };
    const { url } = await startGateway(log, { stream: faulty.port, config });
    const ann = await RawClient.connect(url);
    await ann.join(A);
    faulty.hold();
    const update = ann.edit(A, 'x');
    for (let repeat = 0; repeat < 60; repeat++) ann.send(A, update, { version: 1 });
    // What has come already is still answered, at once; what comes then waits.
    const startedAt = performance.now();
    await ann.leave(B);
    await ann.leave(B);
    expect(performance.now() - startedAt).toBeGreaterThan(100);
    faulty.release();
    await waitFor(() => ann.isAcked(A, 1));
  });

  it('a real client keeps the order and merges what has to wait: ten times its rate for a while, nothing lost', async () => {
    const { url, bob } = await setUp({ connectionUpdatesPerSecond: 20 });
    const doc = new Y.Doc();
    const manager = new ProtocolManager({ url, roomId: 'room', maxUnacked: 64 });
    onCleanUp(async () => manager.destroy());
    const acked: number[] = [];
    manager.on('acked', ({ version }) => void acked.push(version));
    manager.addDoc(doc, { docId: 'a' });
    await waitFor(() => manager.documentState('a')?.isSynced);
    let typed = 0;
    await waitFor(() => {
      for (let i = 0; i < 5; i++) doc.getText('t').insert(typed, String(typed++ % 10));
      return typed >= 400;
    });
    await waitFor(() => !manager.hasUnackedChanges, { timeoutMs: 60_000 });
    await bob.join(A);
    expect(bob.text(A)).toBe(doc.getText('t').toString());
    expect(acked).toEqual([...acked].sort((a, b) => a - b));
  });

  it('holds up only itself; another room, and another connection of the room, go on', async () => {
    const { url, ann, bob } = await setUp({ connectionUpdatesPerSecond: 2, roomUpdatesPerSecond: 0 });
    await ann.join(A);
    await bob.join(A);
    for (let i = 0; i < 300; i++) ann.send(A, ann.edit(A, 'x'));
    await waitFor(() => ann.nacks().some(({ code }) => code === 'RATE_LIMITED'));
    bob.type(A, 'hello');
    await waitFor(() => bob.isAcked(A, 1));
    const cleo = await RawClient.connect(url);
    await cleo.join(B);
    cleo.type(B, 'hello');
    await waitFor(() => cleo.isAcked(B, 1));
  });

  it('a room has a limit of its own, whoever writes', async () => {
    const { ann, bob } = await setUp({ roomUpdatesPerSecond: 2 });
    await ann.join(A);
    await bob.join(B);
    for (let i = 0; i < 6; i++) ann.type(A, 'x');
    await waitFor(() => ann.isAcked(A, 6));
    // Some is given back to the room while a slow machine takes it.
    for (let i = 0; i < 40; i++) bob.type(B, 'x');
    await waitFor(() => bob.nacks().some(({ code }) => code === 'RATE_LIMITED'));
    expect(ann.nacks()).toEqual([]);
  });

  it('joins have a limit; the refusal says when to come again', async () => {
    const { ann } = await setUp({ connectionJoinsPerSecond: 1 });
    const answers: JoinAnswer[] = [];
    while (answers.length < 60 && answers.every(({ ok }) => ok))
      answers.push(await ann.tryJoin({ roomId: 'room', docId: `d${answers.length}` }));
    const refused = answers.find(({ ok }) => !ok);
    expect(answers.slice(0, 5).every(({ ok }) => ok)).toBe(true);
    expect(refused).toMatchObject({ code: 'RATE_LIMITED', permanent: false });
  });

  it('one connection cannot fill the buffer of the producer: its bytes on the way are bounded', async () => {
    const log = await openLog();
    const faulty = new FaultyStream(log.stream);
    const config = { maxUnackedBytes: 1_000_000, maxFrameBytes: 900_000 };
    const { url } = await startGateway(log, { stream: faulty.port, config });
    const [ann, bob] = [await RawClient.connect(url), await RawClient.connect(url)];
    await ann.join(A);
    await bob.join(A);
    // None of them is acked before the last has come.
    faulty.hold();
    const updates = Array.from({ length: 4 }, () => ann.edit(A, 'x'.repeat(400_000)));
    for (const update of updates) ann.send(A, update);
    await waitFor(() => ann.nacks().length > 0);
    expect(ann.nacks()[0]).toMatchObject({ code: 'TOO_MANY_UNACKED', permanent: false });
    faulty.release();
    await waitFor(() => sendUnacked(ann, updates), { intervalMs: 200, timeoutMs: 30_000 });
    await waitFor(() => bob.text(A).length === 1_600_000);
  });
});
