import { afterEach, describe, expect, it } from '@jest/globals';
import { AppError } from '../../../lib/errors.ts';
import type { CheckResult, UpdateChecker } from '../../../lib/gateway/update-check.ts';
import { waitFor } from '../../support/wait.ts';
import { FaultyStream } from './faulty-stream.ts';
import { appendBarrier, cleanUp, openLog, startGateway } from './harness.ts';
import { RawClient } from './raw-client.ts';

afterEach(cleanUp);

const A = { roomId: 'room', docId: 'a' };
const ID = { tenantId: 'default', ...A };

async function setUp() {
  const log = await openLog();
  const faulty = new FaultyStream(log.stream);
  const { url, gateway } = await startGateway(log, { stream: faulty.port });
  const [ann, bob] = [await RawClient.connect(url), await RawClient.connect(url)];
  await ann.join(A);
  await bob.join(A);
  const records = () => log.stream.endOffset(log.topics.target('doc', ID));
  return { log, faulty, gateway, url, ann, bob, records };
}

describe('appends that fail', () => {
  it('a failed append gets a transient nack; later versions are owed until it comes again, in order', async () => {
    const { faulty, ann, bob, records } = await setUp();
    const versions = [ann.edit(A, 'a'), ann.edit(A, 'b'), ann.edit(A, 'c')];
    faulty.fate = () => 'fail';
    ann.send(A, versions[0]!);
    await waitFor(() => ann.nacks().length === 1);
    expect(ann.nacks()[0]).toMatchObject({ ...A, version: 1, code: 'APPEND_FAILED', permanent: false });
    faulty.fate = () => 'append';
    ann.send(A, versions[1]!);
    await waitFor(() => ann.nacks().length === 2);
    expect(ann.nacks()[1]).toMatchObject({ version: 2, code: 'OWED', permanent: false });
    expect(await records()).toBe(0);
    ann.send(A, versions[0]!, { version: 1 });
    ann.send(A, versions[1]!, { version: 2 });
    ann.send(A, versions[2]!, { version: 3 });
    await waitFor(() => bob.text(A) === 'abc' && ann.isAcked(A, 3));
    expect(ann.acks(A).map(({ version }) => version)).toEqual([1, 2, 3]);
  });

  it('an append whose answer was lost is acked all the same, without a nack', async () => {
    const { faulty, ann, bob } = await setUp();
    const { promise, resolve } = Promise.withResolvers<void>();
    faulty.fate = () => 'append-then-fail';
    faulty.answerLost = promise;
    ann.type(A, 'x');
    await waitFor(() => bob.text(A) === 'x' && ann.isAcked(A, 1));
    resolve();
    faulty.fate = () => 'append';
    ann.type(A, 'y');
    await waitFor(() => ann.isAcked(A, 2));
    expect(ann.nacks()).toEqual([]);
  });

  it('an answer lost before the follow delivers: the nack is settled by the ack', async () => {
    const { faulty, ann, bob } = await setUp();
    faulty.hold();
    faulty.fate = () => 'append-then-fail';
    ann.type(A, 'x');
    await waitFor(() => ann.nacks().length === 1);
    faulty.release();
    faulty.fate = () => 'append';
    await waitFor(() => bob.text(A) === 'x' && ann.isAcked(A, 1));
    ann.type(A, 'y');
    await waitFor(() => ann.isAcked(A, 2) && bob.text(A) === 'xy');
    expect(ann.nacks()).toHaveLength(1);
  });

  it('the ack comes only from the follow, also when the produce answer is there long before', async () => {
    const { faulty, ann, bob, records } = await setUp();
    faulty.hold();
    ann.type(A, 'x');
    await waitFor(async () => (await records()) === 1);
    expect([ann.acks(A), bob.entries()]).toEqual([[], []]);
    faulty.release();
    await waitFor(() => ann.isAcked(A, 1) && bob.text(A) === 'x');
  });

  it('a repeat is acked to its sender and fanned out to nobody', async () => {
    const { ann, bob, records } = await setUp();
    const update = ann.edit(A, 'x');
    ann.send(A, update, { version: 1 });
    await waitFor(() => ann.acks(A).length === 1);
    ann.send(A, update, { version: 1 });
    await waitFor(() => ann.acks(A).length === 2);
    expect(await records()).toBe(2);
    ann.send(A, ann.edit(A, 'y'), { version: 2 });
    await waitFor(() => bob.text(A) === 'xy');
    expect(bob.entries().map(({ position, previous }) => [position.offset, previous])).toEqual([
      [0, -1],
      [2, 0],
    ]);
  });
});

describe('two gateways', () => {
  it('one that is acked at 1 while 0 of somebody else is on its way gets 0 first', async () => {
    const { log, faulty, ann, records } = await setUp();
    const other = await startGateway(log);
    const bob = await RawClient.connect(other.url);
    await bob.join(A);
    faulty.hold();
    bob.type(A, 'bob');
    await waitFor(async () => (await records()) === 1);
    ann.type(A, 'ann');
    await waitFor(async () => (await records()) === 2);
    faulty.release();
    await waitFor(() => ann.isAcked(A, 1) && bob.text(A) === ann.text(A) && ann.text(A).length === 6);
    expect(ann.entries().map(({ position, previous }) => [position.offset, previous])).toEqual([
      [0, -1],
      [1, 0],
    ]);
  });

  it('an update that a gateway appended before it died is found by the next one', async () => {
    const { log, faulty, gateway, ann, records } = await setUp();
    const other = await startGateway(log);
    faulty.hold();
    const update = ann.edit(A, 'x');
    ann.send(A, update, { version: 1 });
    await waitFor(async () => (await records()) === 1);
    await gateway.stop();
    await waitFor(() => !ann.socket.connected);
    expect(ann.isAcked(A, 1)).toBe(false);
    const again = await RawClient.connect(other.url);
    const answer = await again.join({ ...A, senderId: ann.senderId });
    expect(answer.appended).toEqual([[1, 1]]);
  });
});

describe('a follow that ends', () => {
  it('begins anew, and every client gets a fresh state: nothing is missing', async () => {
    const { faulty, ann, bob, records } = await setUp();
    ann.type(A, 'a');
    await waitFor(() => bob.text(A) === 'a' && ann.isAcked(A, 1));
    faulty.hold();
    ann.type(A, 'b');
    await waitFor(async () => (await records()) === 2);
    await faulty.breakFollows(new AppError('STREAM_OFFSET_OUT_OF_RANGE'));
    await waitFor(() => bob.text(A) === 'ab' && ann.isAcked(A, 2));
    expect(ann.states(A).at(-1)).toMatchObject({ join: 0, appended: [[2, 2]] });
    faulty.release();
    ann.type(A, 'c');
    await waitFor(() => bob.text(A) === 'abc' && ann.isAcked(A, 3));
    expect(ann.nacks()).toEqual([]);
  });
});

describe('frames of a tick', () => {
  it('who wrote all of it gets acks; a mixed frame is sent whole, once for all', async () => {
    const { faulty, ann, bob, records } = await setUp();
    faulty.hold();
    ann.type(A, '1');
    ann.type(A, '2');
    await waitFor(async () => (await records()) === 2);
    faulty.release();
    await waitFor(() => ann.acks(A).length === 2 && bob.entries().length === 2);
    expect(ann.entries()).toEqual([]);
    faulty.hold();
    ann.type(A, '3');
    await waitFor(async () => (await records()) === 3);
    bob.type(A, '4');
    await waitFor(async () => (await records()) === 4);
    faulty.release();
    await waitFor(() => ann.isAcked(A, 3) && bob.isAcked(A, 1));
    await waitFor(() => ann.text(A) === bob.text(A) && ann.text(A).length === 4);
    for (const client of [ann, bob]) {
      const items = client.seen.flatMap((seen): { previous: number }[] =>
        seen.kind === 'entries' ? seen.entries : seen.kind === 'acks' ? seen.acks : [],
      );
      expect(items.map((item) => item.previous)).toEqual([-1, 0, 1, 2]);
    }
  });
});

describe('a barrier in the log', () => {
  it('replaces the document: it is delivered, and what was written before it for the old one is nacked', async () => {
    const { log, faulty, url, ann, bob } = await setUp();
    ann.type(A, 'old');
    await waitFor(() => bob.text(A) === 'old' && ann.isAcked(A, 1));
    faulty.hold();
    const barrier = await appendBarrier(log, ID, 2);
    const stale = ann.type(A, ' late');
    await waitFor(async () => (await log.stream.endOffset(log.topics.target('doc', ID))) === barrier + 2);
    faulty.release();
    const nack = await waitFor(() => ann.nacks()[0]);
    expect(nack).toMatchObject({
      version: stale,
      code: 'GENERATION_CHANGED',
      permanent: true,
      position: { generation: 2, offset: barrier },
    });
    const isBarrier = ({ position }: { position: { generation: number } }) => position.generation === 2;
    const last = await waitFor(() => bob.entries().find(isBarrier), { what: 'the barrier' });
    expect(last).toMatchObject({ position: { generation: 2, offset: barrier }, previous: 0 });
    expect(bob.entries().at(-1)).toBe(last);
    expect(bob.text(A)).toBe('old');
    // One who has not noticed yet is told at the door; one who has goes on in the new generation.
    bob.send(A, bob.edit(A, '?'), { generation: 1 });
    expect(await waitFor(() => bob.nacks()[0])).toMatchObject({
      code: 'GENERATION_CHANGED',
      position: { generation: 2, offset: barrier },
    });
    const carol = await RawClient.connect(url);
    const answer = await carol.join(A);
    expect(answer.position.generation).toBe(2);
    expect(carol.text(A)).toBe('');
    carol.type(A, 'new');
    await waitFor(() => carol.isAcked(A, 1));
    expect(carol.acks(A)[0]!.position.generation).toBe(2);
  });

  it('an update that is being checked when it comes, and names no generation, belongs to the old one', async () => {
    const log = await openLog();
    const checked = Promise.withResolvers<CheckResult>();
    let checks = 0;
    const checker: UpdateChecker = {
      check: () => (checks++, checked.promise),
      close: () => Promise.resolve(),
    };
    const { url } = await startGateway(log, { checker });
    const ann = await RawClient.connect(url);
    await ann.join(A);
    const version = ann.type(A, 'old');
    await waitFor(() => checks === 1);
    await appendBarrier(log, ID, 2);
    await waitFor(() => ann.entries().length === 1);
    checked.resolve('sound');
    const nack = await waitFor(() => ann.nacks()[0]);
    expect(nack).toMatchObject({ version, code: 'GENERATION_CHANGED' });
  });

  it('counts only when it raises the generation', async () => {
    const { log, ann, bob } = await setUp();
    await appendBarrier(log, ID, 3);
    await waitFor(() => bob.entries().length === 1);
    await appendBarrier(log, ID, 2);
    await appendBarrier(log, ID, 3);
    ann.send(A, ann.edit(A, 'x'), { generation: 3 });
    await waitFor(() => ann.isAcked(A, 1) && bob.entries().length >= 2);
    expect(bob.entries().map(({ position }) => position.generation)).toEqual([3, 3]);
    expect(bob.entries()[1]!.previous).toBe(bob.entries()[0]!.position.offset);
  });
});
