import { afterEach, describe, expect, it } from '@jest/globals';
import { tryDecodeEnvelope } from '../../../lib/protocol/index.ts';
import { waitFor } from '../../support/wait.ts';
import { cleanUp, openLog, startGateway } from './harness.ts';
import { RawClient } from './raw-client.ts';

afterEach(cleanUp);

const A = { roomId: 'room', docId: 'a' };
const B = { roomId: 'room', docId: 'b' };
const SUB = { roomId: 'room', docId: 'a', subdocId: 'sub' };

describe('two people edit one document', () => {
  it('each sees what the other types, and is told the position where the own update is durable', async () => {
    const { url } = await startGateway(await openLog());
    const [ann, bob] = [await RawClient.connect(url), await RawClient.connect(url)];
    await ann.join(A);
    await bob.join(A);
    const first = ann.type(A, 'hello');
    await waitFor(() => bob.text(A) === 'hello');
    await waitFor(() => ann.isAcked(A, first));
    bob.type(A, ' world');
    await waitFor(() => ann.text(A) === 'hello world');
    const [ack] = ann.acks(A);
    expect(ack).toMatchObject({ version: 1, previous: -1, position: { generation: 1, epoch: 1 } });
    expect(ann.entries()).toHaveLength(1);
    expect(ann.entries()[0]).toMatchObject({ previous: ack!.position.offset });
  });

  it('a later joiner gets the state, works over polling too', async () => {
    const { url } = await startGateway(await openLog());
    const ann = await RawClient.connect(url);
    await ann.join(A);
    ann.type(A, 'kept');
    await waitFor(() => ann.acks(A).length === 1);
    const bob = await RawClient.connect(url, { transports: ['polling'] });
    const answer = await bob.join(A);
    expect(bob.text(A)).toBe('kept');
    expect(answer).toMatchObject({ ok: true, readOnly: false, position: ann.acks(A)[0]!.position });
    bob.type(A, '!');
    await waitFor(() => ann.text(A) === 'kept!');
    await waitFor(() => bob.isAcked(A, 1));
  });

  it('a socket never gets an envelope of a document or subdocument that it has not joined', async () => {
    const { url } = await startGateway(await openLog());
    const clients = [
      await RawClient.connect(url),
      await RawClient.connect(url),
      await RawClient.connect(url),
    ];
    const [ofA, ofB, ofSub] = clients as [RawClient, RawClient, RawClient];
    const writer = await RawClient.connect(url);
    for (const address of [A, B, SUB]) await writer.join(address);
    await ofA.join(A);
    await ofB.join(B);
    await ofSub.join(SUB);
    for (let i = 0; i < 20; i++) for (const address of [A, B, SUB]) writer.type(address, 'x');
    for (const [client, address] of [
      [ofA, A],
      [ofB, B],
      [ofSub, SUB],
    ] as const) {
      await waitFor(() => client.text(address) === 'x'.repeat(20));
      for (const { envelope } of client.entries()) {
        const message = tryDecodeEnvelope(envelope);
        expect(message.ok && message.value.metadata).toMatchObject(address);
        expect(message.ok && message.value.metadata.subdocId).toBe('subdocId' in address ? 'sub' : undefined);
      }
      expect([...client.docs.keys()]).toHaveLength(1);
    }
  });

  it('acks and foreign entries come in log order, each with the entry before it', async () => {
    const { url } = await startGateway(await openLog());
    const [ann, bob] = [await RawClient.connect(url), await RawClient.connect(url)];
    await ann.join(A);
    await bob.join(A);
    for (let i = 0; i < 100; i++) (i % 3 === 0 ? ann : bob).type(A, String(i));
    await waitFor(() => ann.text(A) === bob.text(A) && ann.text(A).length === 190);
    await waitFor(() => ann.isAcked(A, 34) && bob.isAcked(A, 66));
    for (const client of [ann, bob]) {
      let position = -1;
      for (const seen of client.seen) {
        const items = seen.kind === 'entries' ? seen.entries : seen.kind === 'acks' ? seen.acks : [];
        for (const item of items) {
          expect(item.previous).toBe(position);
          position = item.position.offset;
        }
      }
      expect(position).toBe(99);
    }
  });
});

describe('a topic for each room', () => {
  it('is made at the first append, not by a join; those who joined before see what comes', async () => {
    const log = await openLog('yjs-{channel}-{room}');
    const { url } = await startGateway(log);
    const other = await startGateway(log);
    const [ann, bob] = [await RawClient.connect(url), await RawClient.connect(other.url)];
    await ann.join(A);
    await bob.join(A);
    const { topic } = log.topics.target('doc', { tenantId: 'default', ...A });
    expect(await log.stream.identity(topic)).toBeUndefined();
    ann.type(A, 'x');
    ann.type(A, 'y');
    await waitFor(() => bob.text(A) === 'xy' && ann.isAcked(A, 2));
    expect(await log.stream.identity(topic)).toMatchObject({ partitions: 1 });
    await waitFor(
      async () => (await log.stream.endOffset({ topic: log.topics.controlTopic, partition: 0 })) === 1,
    );
    bob.type(A, 'z');
    await waitFor(() => ann.text(A) === 'xyz' && bob.isAcked(A, 1));
    expect(bob.states(A).at(-1)!.position.epoch).toBe(1);
  });
});
