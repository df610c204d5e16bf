import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import * as Y from 'yjs';
import type { OpenRuntime } from '../../lib/broker/open-runtime.ts';
import { encodeSyncStep1 } from '../../lib/protocol/envelope.ts';
import type { DocumentId } from '../../lib/protocol/ids.ts';
import { createMetadata } from '../../lib/protocol/metadata.ts';
import type { Position } from '../../lib/protocol/position.ts';
import { PERSISTER_CONSUMER } from '../../lib/store/port.ts';
import { registerTopics } from '../../lib/stream/epochs.ts';
import type { BlobReference } from '../../lib/transfer/port.ts';
import codec from '../../services/codec.service.ts';
import { closeRuntimes, testRuntime } from '../support/runtime.ts';
import { barrierRecord, updateRecord } from '../support/log-records.ts';
import { textOf, Writer } from '../support/writer.ts';
import { startTwoNodes, type TwoNodes } from '../support/two-nodes.ts';

interface Answer {
  position: Position;
  stateVector: Uint8Array;
  update?: Uint8Array;
  blob?: BlobReference;
  content?: string;
  [field: string]: unknown;
}

let runtime: OpenRuntime;
let nodes: TwoNodes;
const writer = new Writer(1);
const stored: DocumentId = { tenantId: 't', roomId: 'room', docId: 'stored' };
const large: DocumentId = { tenantId: 't', roomId: 'room', docId: 'large' };
const broken: DocumentId = { tenantId: 't', roomId: 'room', docId: 'broken' };
const largeText = randomBytes(100_000).toString('hex');
let reference: { document: DocumentId; epoch: number; partition: number };

const call = (action: string, params: Record<string, unknown>) =>
  nodes.caller.call<Answer | null, Record<string, unknown>>(`codec.${action}`, params);

beforeAll(async () => {
  runtime = await testRuntime();
  const [stream, store] = [await runtime.stream(), await runtime.store()];
  const epochs = await registerTopics({ stream, store, specs: runtime.topics.staticTopics });
  const { topic, partition } = runtime.topics.target('doc', stored);
  const epoch = epochs.get(topic)!;
  reference = { document: stored, epoch, partition };
  const rows = [
    ...writer.type('stored ', 'text').map((update) => ({ document: stored, payload: update })),
    ...new Writer(2).type(largeText).map((update) => ({ document: large, payload: update })),
    ...new Writer(3).type('kept').map((update) => ({ document: broken, payload: update })),
    // Decodes, and throws when it is applied: its content refers to itself.
    { document: broken, payload: Uint8Array.of(1, 1, 200, 1, 0, 4) },
  ];
  await store.storeBatch({
    consumer: PERSISTER_CONSUMER,
    epoch,
    partition,
    fetchOffset: 0,
    nextOffset: rows.length,
    records: rows.map((row, offset) => ({
      kind: 'update' as const,
      offset,
      generation: 1,
      senderId: 'sender',
      clientVersion: offset + 1,
      atMs: 0,
      metadata: {},
      ...row,
    })),
  });
  nodes = await startTwoNodes(runtime, [codec]);
});

afterAll(async () => {
  await nodes?.stop();
  await closeRuntimes();
});

describe('the codec service, called from another node', () => {
  it('folds what is stored, at the position that the store covers', async () => {
    const answer = (await call('documents.fold', reference))!;
    const { epoch, partition } = reference;
    expect(answer.position).toEqual({ generation: 1, epoch, partition, offset: 4 });
    expect(Buffer.from(answer.stateVector).equals(Y.encodeStateVector(writer.doc))).toBe(true);
    expect(textOf(answer.update!)).toBe('stored text');
  });

  it('answers null for a document of which nothing is stored', async () => {
    const nothing = { ...reference, document: { ...stored, docId: 'nothing' } };
    for (const action of ['fold', 'describe', 'check', 'render'])
      expect(await call(`documents.${action}`, nothing)).toBeNull();
    expect(await call('documents.diff', { ...nothing, stateVector: Uint8Array.of(0) })).toBeNull();
  });

  it('finds epoch and partition by itself when a person leaves them out', async () => {
    const answer = (await call('documents.render', { document: stored }))!;
    expect(JSON.parse(answer.content!)).toEqual({ t: 'stored text' });
  });

  it('offers a large state to be fetched', async () => {
    const answer = (await call('documents.fold', { ...reference, document: large }))!;
    expect(answer.update).toBeUndefined();
    expect(textOf(await nodes.callerBlobs.fetch(answer.blob!, 30_000))).toBe(largeText);
    const rendered = (await call('documents.render', { document: large, as: 'text', root: 't' }))!;
    const bytes = await nodes.callerBlobs.fetch(rendered.blob!, 30_000);
    expect(Buffer.from(bytes).toString()).toBe(largeText);
  });

  it('cuts a stored state down to what a state vector lacks', async () => {
    const known = new Writer(1);
    const have = known.type('stored ');
    const stateVector = Y.encodeStateVector(known.doc);
    for (const bytes of [stateVector, Buffer.from(stateVector)]) {
      const answer = (await call('documents.diff', { ...reference, stateVector: bytes }))!;
      expect(textOf(...have, answer.update!)).toBe('stored text');
      expect(textOf(answer.update!)).toBe('');
    }
  });

  it('describes and checks a stored document', async () => {
    expect(await call('documents.describe', reference)).toMatchObject({
      clients: 1,
      pendingStructs: false,
      pendingDeletes: false,
      roots: ['t'],
    });
    expect(await call('documents.check', reference)).toMatchObject({ ok: true, rejectedOffsets: [] });
    expect(await call('documents.check', { ...reference, document: broken })).toMatchObject({
      ok: false,
      rejectedOffsets: [4],
    });
  });

  it('inspects an envelope', async () => {
    const [update] = new Writer(9).type('secret');
    const { value } = updateRecord(stored, update!, { senderId: 's', version: 3, generation: 1 });
    const inspected = await call('envelopes.inspect', { envelope: value });
    expect(inspected).toMatchObject({
      ok: true,
      messageType: 'Sync',
      syncType: 'Update',
      metadata: { docId: 'stored', version: 3 },
      verdict: { ok: true },
    });
    expect(JSON.stringify(inspected)).not.toContain('secret');
    // As a person at the REPL gives it.
    const base64 = Buffer.from(value).toString('base64');
    expect(await call('envelopes.inspect', { envelope: base64 })).toEqual(inspected);
    expect(await call('envelopes.inspect', { envelope: barrierRecord(stored, 2).value })).toMatchObject({
      messageType: 'Control',
      control: { op: 'barrier', generation: 2 },
    });
    const question = encodeSyncStep1(
      createMetadata({ docId: 'd', senderId: 's', version: 0 }),
      Uint8Array.of(0),
    );
    expect(await call('envelopes.inspect', { envelope: question })).toMatchObject({ syncType: 'Step1' });
    expect(await call('envelopes.inspect', { envelope: Uint8Array.of(200, 0, 1) })).toMatchObject({
      ok: false,
      failure: { code: 'BAD_ENVELOPE' },
    });
  });

  it('refuses parameters that it does not know, and a state vector that cannot be read', async () => {
    await expect(call('documents.fold', { ...reference, other: 1 })).rejects.toMatchObject({
      type: 'VALIDATION_ERROR',
    });
    await expect(
      call('documents.diff', { ...reference, stateVector: Uint8Array.of(7) }),
    ).rejects.toMatchObject({ name: 'AppError', type: 'BAD_INPUT' });
  });

  it('is ready in the health report', async () => {
    expect((await runtime.health.report()).parts.codec).toMatchObject({ ready: true });
  });
});
