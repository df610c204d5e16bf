import { afterEach, describe, expect, it } from '@jest/globals';
import * as Y from 'yjs';
import { systemClock, type Clock } from '../../../lib/clock.ts';
import { ProtocolManager } from '../../../lib/provider/index.ts';
import { waitFor } from '../../support/wait.ts';
import { FaultyStream } from './faulty-stream.ts';
import { cleanUp, onCleanUp, openLog, startGateway } from './harness.ts';
import { RawClient } from './raw-client.ts';
import { SteeredClock } from './steered-clock.ts';

afterEach(cleanUp);

const A = { roomId: 'room', docId: 'a' };
const ID = { tenantId: 'default', ...A };

async function setUp(config = {}, clock: Clock = systemClock) {
  const log = await openLog();
  const faulty = new FaultyStream(log.stream);
  const { url, gateway } = await startGateway(log, { stream: faulty.port, config, clock });
  const ann = await RawClient.connect(url);
  await ann.join(A);
  const records = () => log.stream.endOffset(log.topics.target('doc', ID));
  return { faulty, gateway, url, ann, records };
}

describe('a log that is away', () => {
  it('nothing is acked, the gateway says that it has no log, and says that it has it again by itself', async () => {
    const { faulty, gateway, ann, records } = await setUp();
    expect(gateway.hasLog).toBe(true);
    faulty.fate = () => 'fail';
    const update = ann.edit(A, 'x');
    ann.send(A, update);
    await waitFor(() => !gateway.hasLog);
    await waitFor(() => ann.nacks().length > 0);
    expect(ann.nacks()[0]).toMatchObject({ code: 'APPEND_FAILED', permanent: false });
    expect([ann.acks(A), await records()]).toEqual([[], 0]);
    faulty.fate = () => 'append';
    ann.send(A, update, { version: 1 });
    // The follow may be sooner than the answer to the append.
    await waitFor(() => ann.isAcked(A, 1) && gateway.hasLog);
  });

  it('is asked itself when nobody writes any more', async () => {
    const clock = new SteeredClock();
    const { faulty, gateway, ann } = await setUp({}, clock);
    faulty.fate = () => 'fail';
    ann.type(A, 'x');
    await waitFor(() => !gateway.hasLog);
    await waitFor(() => (clock.advance(500), gateway.hasLog), {
      what: 'the end of the partition could be read',
    });
  });

  it('an append that hangs counts as well', async () => {
    const { faulty, gateway, ann } = await setUp({ appendTimeoutMs: 200 });
    faulty.fate = () => 'hang';
    ann.type(A, 'x');
    await waitFor(() => !gateway.hasLog);
  });

  it('a transient nack of one names what waits behind it too', async () => {
    const clock = new SteeredClock();
    const { faulty, ann, url } = await setUp({ appendTimeoutMs: 300 }, clock);
    const bob = await RawClient.connect(url);
    await bob.join(A);
    const updates = [ann.edit(A, 'a'), ann.edit(A, 'b')];
    faulty.fate = () => 'hang';
    for (const update of updates) ann.send(A, update);
    await ann.answered();
    clock.advance(400);
    await waitFor(() => ann.nacks().length === 2);
    expect(ann.nacks().map(({ version, code }) => [version, code])).toEqual([
      [1, 'APPEND_TIMEOUT'],
      [2, 'APPEND_TIMEOUT'],
    ]);
    faulty.fate = () => 'append';
    updates.forEach((update, at) => ann.send(A, update, { version: at + 1 }));
    await waitFor(() => bob.text(A) === 'ab' && ann.isAcked(A, 2));
  });

  it('in a log that moves a slow append has some time limits, not for ever', async () => {
    const appendTimeoutMs = 400;
    const clock = new SteeredClock();
    const { faulty, ann, url } = await setUp({ appendTimeoutMs }, clock);
    const bob = await RawClient.connect(url);
    await bob.join(A);
    let appends = 0;
    faulty.fate = () => (++appends === 1 ? 'hang' : 'append');
    const sentAt = clock.now();
    ann.type(A, 'a');
    await ann.answered();
    for (let typed = 1; ann.nacks().length === 0 && typed < 20; typed++) {
      // One after the other: each is another step of the log.
      bob.type(A, String(typed));
      await waitFor(() => bob.isAcked(A, typed));
      clock.advance(appendTimeoutMs / 2);
      await ann.answered();
    }
    expect(ann.nacks()[0]).toMatchObject({ version: 1, code: 'APPEND_TIMEOUT' });
    expect(clock.now() - sentAt).toBeGreaterThan(5 * appendTimeoutMs);
    expect(clock.now() - sentAt).toBeLessThan(8 * appendTimeoutMs);
  });

  it('a resend joins the attempt that is under way: one record, one ack', async () => {
    const { faulty, ann, records } = await setUp();
    faulty.hold();
    const update = ann.edit(A, 'x');
    for (let i = 0; i < 5; i++) ann.send(A, update, { version: 1 });
    await waitFor(async () => (await records()) === 1);
    ann.send(A, update, { version: 1 });
    await ann.answered();
    const bob = ann.nextVersion(A);
    expect(bob).toBe(1);
    faulty.release();
    await waitFor(() => ann.isAcked(A, 1));
    ann.type(A, 'y');
    await waitFor(() => ann.isAcked(A, 2));
    expect(await records()).toBe(2);
    expect(ann.nacks()).toEqual([]);
  });

  it('a real client keeps everything through a long outage; its document is the server’s in the end, its updates in order', async () => {
    const { faulty, url } = await setUp({ appendTimeoutMs: 200 });
    const doc = new Y.Doc();
    const manager = new ProtocolManager({
      url,
      roomId: 'room',
      maxUnacked: 16,
      retryMinMs: 20,
      retryMaxMs: 100,
    });
    onCleanUp(async () => manager.destroy());
    const backlog: boolean[] = [];
    manager.on('backlog', ({ isFull }) => void backlog.push(isFull));
    manager.addDoc(doc, { docId: 'a' });
    await waitFor(() => manager.documentState('a')?.isSynced);
    let appends = 0;
    const fates = ['fail', 'append-then-fail', 'hang'] as const;
    faulty.fate = () => fates[appends++ % fates.length]!;
    let typed = 0;
    await waitFor(
      () => {
        for (let i = 0; i < 20; i++) doc.getText('t').insert(typed, String(typed++ % 10));
        return typed >= 2_000 && appends > 10;
      },
      { what: 'the log has failed in every way' },
    );
    faulty.fate = () => 'append';
    await waitFor(() => !manager.hasUnackedChanges, { timeoutMs: 60_000 });
    const reader = await RawClient.connect(url);
    await reader.join(A);
    expect(reader.text(A)).toBe(doc.getText('t').toString());
    expect(backlog[0]).toBe(true);
    await waitFor(() => backlog.at(-1) === false);
  });
});
