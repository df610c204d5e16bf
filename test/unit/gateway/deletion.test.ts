import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { encodeChange } from '../../../lib/lifecycle/announcement.ts';
import { LifecycleWorld } from '../../support/lifecycle-world.ts';
import { waitFor } from '../../support/wait.ts';
import { FaultyStream } from './faulty-stream.ts';
import { appendBarrier, cleanUp, onCleanUp, startGateway } from './harness.ts';
import { RawClient } from './raw-client.ts';

const A = { roomId: 'room', docId: 'doc' };
const DELETED = { ...A, code: 'DOCUMENT_DELETED', permanent: true };

let world: LifecycleWorld;
beforeEach(async () => {
  world = await LifecycleWorld.open();
  onCleanUp(() => world.close());
});
afterEach(cleanUp);

/** Two gateways on one log, the first with faults; a client at each, joined. */
async function setUp() {
  const log = { stream: world.stream, topics: world.topics, sync: world.source };
  const faulty = new FaultyStream(world.stream);
  const one = await startGateway(log, { stream: faulty.port });
  const two = await startGateway(log);
  const ann = await RawClient.connect(one.url);
  const bob = await RawClient.connect(two.url);
  await ann.join(A);
  await bob.join(A);
  return { faulty, one, two, ann, bob };
}

const request = (key: string, expectedGeneration = 1) => ({
  document: world.document,
  key,
  expectedGeneration,
});
const wasTold = (client: RawClient) =>
  client.nacks().find(({ code, version }) => code === 'DOCUMENT_DELETED' && version === undefined);

describe('a deletion, at two gateways', () => {
  it('closes the document everywhere, behind what came before it, and refuses joins and writes', async () => {
    const { ann, bob, one } = await setUp();
    ann.type(A, 'last words');
    const { position } = await world.operator().delete(request('k'));
    for (const client of [ann, bob]) {
      expect(await waitFor(() => wasTold(client))).toMatchObject({ ...DELETED, position });
      expect(client.entries().at(-1)!.position).toEqual(position);
    }
    expect(one.gateway.registry.inspect(10)[0]!.documents).toEqual([{ docId: 'doc', subscriptions: 0 }]);
    expect(await ann.tryJoin(A)).toMatchObject({ ok: false, code: 'DOCUMENT_DELETED', permanent: true });
    const late = ann.type(A, '!');
    const nack = await waitFor(() => ann.nacks().find(({ version }) => version === late));
    expect(nack).toMatchObject(DELETED);
    const carol = await RawClient.connect(one.url);
    expect(await carol.tryJoin(A)).toMatchObject({ ok: false, code: 'DOCUMENT_DELETED', permanent: true });
    expect(carol.states(A)).toEqual([]);
  });

  it('with updates in flight at both: each is acked and before it, or not acked and behind it', async () => {
    const { ann, bob } = await setUp();
    const clients = [ann, bob];
    const sent: { client: RawClient; version: number }[] = [];
    const deleting = (async () => {
      await waitFor(() => sent.length > 20);
      return world.operator().delete(request('k'));
    })();
    while (!clients.every(wasTold)) {
      for (const client of clients) sent.push({ client, version: client.type(A, 'x') });
      await new Promise((resolve) => setImmediate(resolve));
    }
    const { position } = await deleting;
    await waitFor(() =>
      sent.every(
        ({ client, version }) =>
          client.isAcked(A, version) ||
          client.nacks().some((nack) => nack.version === version) ||
          wasTold(client),
      ),
    );
    const records = await world.records();
    for (const { client, version } of sent) {
      const record = records.find(
        ({ headers }) => headers.s === client.senderId && headers.c === `${version}`,
      );
      const isBefore = record !== undefined && record.offset < position!.offset;
      expect([version, client.isAcked(A, version)]).toEqual([version, isBefore]);
    }
    for (const client of clients)
      for (const entry of client.entries())
        expect(entry.position.offset).toBeLessThanOrEqual(position!.offset);
    // The persister comes later: it stores what came before, and the deletion takes it away again.
    await world.persist();
    const { generations } = await world.operator().inspect(world.document);
    while (await world.store.removeDeleted(7));
    const evidence = (await world.operator().inspect(world.document)).generations[0]!.removed!;
    expect(generations[0]!.removed!.rows).toBe(0);
    expect(evidence.rows).toBe(
      records.filter(({ offset, headers }) => headers.t === '0' && offset < position!.offset).length,
    );
    expect(await world.join()).toMatchObject({ deleted: true, text: '' });
  });

  it('a document that is made again can be joined, empty; an old copy stays outside', async () => {
    const { ann, bob } = await setUp();
    ann.type(A, 'old');
    await waitFor(() => ann.isAcked(A, 1) && bob.text(A) === 'old');
    const before = bob.entries().at(-1)!.position;
    await world.operator().delete(request('k1'));
    await waitFor(() => wasTold(ann) && wasTold(bob));
    await world.operator().create(request('k2', 2));
    const answer = await bob.join({ ...A, position: before });
    expect(answer.position.generation).toBe(3);
    expect(bob.states(A).at(-1)).toMatchObject({ kind: 'full', appended: [] });
    const old = bob.send(A, bob.edit(A, '?'), { generation: 1 });
    expect(await waitFor(() => bob.nacks().find(({ version }) => version === old))).toMatchObject({
      code: 'GENERATION_CHANGED',
    });
    const fresh = bob.send(A, bob.edit(A, '!'), { generation: 3 });
    await waitFor(() => bob.isAcked(A, fresh));
    const joined = await world.join();
    expect([joined.position.generation, joined.appended]).toEqual([3, []]);
  });

  it('an answer has to be as new as the last barrier, also where nobody knows yet what the barrier means', async () => {
    const { ann } = await setUp();
    ann.type(A, 'secret');
    await waitFor(() => ann.isAcked(A, 1));
    // A cached state from before the deletion would do for a gateway whose follow began before it.
    await world.join();
    const heldAfter: number[] = [];
    const goOn = Promise.withResolvers<void>();
    const log = { stream: world.stream, topics: world.topics, sync: world.source };
    const { url, gateway } = await startGateway(log, {
      sync: {
        join: async (question) => {
          heldAfter.push(question.heldAfter);
          if (heldAfter.length === 1) await goOn.promise;
          return world.source.join(question);
        },
      },
    });
    const [first, second] = [await RawClient.connect(url), await RawClient.connect(url)];
    const waiting = first.tryJoin(A);
    await waitFor(() => heldAfter.length === 1);
    const barrier = await appendBarrier(world, world.document, 2, 'deleted');
    const [hosted] = gateway.registry.members();
    await waitFor(() => hosted!.followedThrough() >= barrier);
    expect(await second.tryJoin(A)).toMatchObject({ code: 'DOCUMENT_DELETED' });
    expect(heldAfter[0]).toBeLessThan(barrier);
    expect(heldAfter[1]).toBe(barrier);
    goOn.resolve();
    expect(await waiting).toMatchObject({ code: 'DOCUMENT_DELETED' });
    for (const client of [first, second]) expect(client.text(A)).toBe('');
  });

  it('one who joins while it comes is told, whether the state was asked before or after it', async () => {
    const log = { stream: world.stream, topics: world.topics, sync: world.source };
    const asked = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    const { url } = await startGateway(log, {
      sync: {
        join: async (question) => {
          const answer = await world.source.join(question);
          asked.resolve();
          await goOn.promise;
          return answer;
        },
      },
    });
    const ann = await RawClient.connect(url);
    const answer = ann.tryJoin(A);
    await asked.promise;
    await world.operator().delete(request('k'));
    goOn.resolve();
    // The answer is from before the deletion, which waits at the gateway: it is told at the latest behind the state.
    const given = await answer;
    if (given.ok) await waitFor(() => wasTold(ann));
    else expect(given.code).toBe('DOCUMENT_DELETED');
    expect(await ann.tryJoin(A)).toMatchObject({ code: 'DOCUMENT_DELETED' });
  });
});

describe('the control topic', () => {
  it('lets the door refuse at once what could only come behind the barrier, while the follow lags', async () => {
    const { faulty, ann, bob } = await setUp();
    ann.type(A, 'a');
    await waitFor(() => ann.isAcked(A, 1));
    faulty.hold(world.at.topic);
    const { position } = await world.operator().replace({ ...request('k'), state: Uint8Array.of(0, 0) });
    const behind = await world.stream.endOffset(world.at);
    let typed = 0;
    const refused = await waitFor(() => {
      typed = ann.type(A, 'b') - 1;
      return ann.nacks().find(({ code }) => code === 'GENERATION_CHANGED');
    });
    expect(refused.position).toEqual(position);
    await ann.answered();
    // What had got in before the door was closed.
    const before = behind + typed - ann.nacks().length;
    await waitFor(async () => (await world.stream.endOffset(world.at)) === before);
    const last = ann.type(A, 'c');
    await waitFor(() => ann.nacks().some(({ version }) => version === last));
    expect(await world.stream.endOffset(world.at)).toBe(before);
    faulty.release();
    await waitFor(() => ann.entries().some((entry) => entry.position.offset === position!.offset));
    expect(bob.text(A)).toBe('a');
  });

  it('decides nothing: a barrier that is not in the log closes nothing for longer than the follow needs', async () => {
    const { ann, bob } = await setUp();
    ann.type(A, 'a');
    await waitFor(() => ann.isAcked(A, 1));
    const { position } = ann.acks(A)[0]!;
    const target = { topic: world.topics.controlTopic, partition: 0 };
    const lie = { ...position, generation: 2, offset: position.offset + 1 };
    await world.stream.append(target, [
      encodeChange({ document: world.document, position: lie, deleted: true }),
    ]);
    await world.stream.append(target, [{ key: 'x', value: Uint8Array.of(1), headers: { t: '4' } }]);
    // Another document of the partition takes that place; the follow passes it.
    const other = { ...world.document, docId: 'other' };
    await appendBarrier(world, other, 2);
    const version = await waitFor(
      () => {
        const sent = bob.type(A, 'b');
        return waitFor(() => bob.isAcked(A, sent), { timeoutMs: 1000 }).then(
          () => sent,
          () => undefined, // told of the lie first, and before the follow had passed it
        );
      },
      { timeoutMs: 60_000, what: 'it goes on' },
    );
    expect(version).toBeGreaterThan(0);
    expect(wasTold(ann)).toBeUndefined();
  });

  it('need not be there: without it the barrier alone ends everything', async () => {
    const { ann, bob } = await setUp();
    await appendBarrier(world, world.document, 2, 'deleted');
    await waitFor(() => wasTold(ann) && wasTold(bob));
  });

  it('is not needed to name the reason: what lies behind the barrier is refused as deleted, not as replaced', async () => {
    const { faulty, ann } = await setUp();
    faulty.hold();
    const barrier = await appendBarrier(world, world.document, 2, 'deleted');
    const late = ann.type(A, 'late');
    await waitFor(async () => (await world.stream.endOffset(world.at)) === barrier + 2);
    faulty.release();
    const nack = await waitFor(() => ann.nacks().find(({ version }) => version === late));
    expect(nack).toMatchObject({ ...DELETED, position: { generation: 2, offset: barrier } });
  });
});
