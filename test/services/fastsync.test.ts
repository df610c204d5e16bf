import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import * as Y from 'yjs';
import type { OpenRuntime } from '../../lib/broker/open-runtime.ts';
import type { DocumentId } from '../../lib/protocol/ids.ts';
import type { SyncSource } from '../../lib/sync/port.ts';
import { createRemoteSyncSource, JOIN_ACTION } from '../../lib/sync/remote.ts';
import { registerTopics } from '../../lib/stream/epochs.ts';
import fastsync from '../../services/fastsync.service.ts';
import { closeRuntimes, testRuntime } from '../support/runtime.ts';
import { updateRecord } from '../support/log-records.ts';
import { textOf, Writer } from '../support/writer.ts';
import { startTwoNodes, type TwoNodes } from '../support/two-nodes.ts';

const document: DocumentId = { tenantId: 't', roomId: 'room', docId: 'small', subdocId: 'sub/doc' };
const large: DocumentId = { tenantId: 't', roomId: 'room', docId: 'large' };

let runtime: OpenRuntime;
let nodes: TwoNodes;
let source: SyncSource;
const writer = new Writer(1);

async function append(to: DocumentId, updates: readonly Uint8Array[]) {
  const stream = await runtime.stream();
  const by = { senderId: 'sender', generation: 1 };
  const records = updates.map((update, index) => updateRecord(to, update, { ...by, version: index + 1 }));
  return stream.append(runtime.topics.target('doc', to), records);
}

beforeAll(async () => {
  runtime = await testRuntime();
  const [stream, store] = [await runtime.stream(), await runtime.store()];
  await registerTopics({ stream, store, specs: runtime.topics.staticTopics });
  nodes = await startTwoNodes(runtime, [fastsync]);
  source = createRemoteSyncSource({
    call: (action, params) => nodes.caller.call(action, params),
    blobs: nodes.callerBlobs,
    timeoutMs: 30_000,
  });
});

afterAll(async () => {
  await nodes?.stop();
  await closeRuntimes();
});

describe('a join over two nodes', () => {
  it('brings position, state vector, versions and update unchanged', async () => {
    const [offset] = (await append(document, writer.type('a', 'b'))).slice(-1);
    const answer = await source.join({ document, senderId: 'sender', heldAfter: -1 });
    expect(answer).toMatchObject({ kind: 'full', appended: [[1, 2]] });
    expect(answer.position.offset).toBe(offset);
    expect(Buffer.from(answer.stateVector).equals(Y.encodeStateVector(writer.doc))).toBe(true);
    expect(textOf(answer.update)).toBe('ab');
  });

  it('takes positions and a state vector, and answers with what lacks only', async () => {
    const stateVector = Y.encodeStateVector(writer.doc);
    const first = await source.join({ document, senderId: 'x', heldAfter: -1, stateVector });
    expect(first).toMatchObject({ kind: 'full', appended: [] });
    expect(textOf(first.update)).toBe('');
    const { position } = first;
    const again = await source.join({ document, senderId: 'x', heldAfter: -1, position, heard: position });
    expect(again.kind).toBe('delta');
    expect(again.stateVector).toHaveLength(0);
  });

  it('fetches a large state from the other process’s listener', async () => {
    const { inlineAnswerBytes } = runtime.config;
    const text = randomBytes(inlineAnswerBytes).toString('hex');
    await append(large, new Writer(2).type(text));
    const params = { document: large, senderId: 'x', heldAfter: -1 };
    const answer = await nodes.caller.call<Record<string, unknown>, typeof params>(JOIN_ACTION, params);
    expect(answer.update).toBeUndefined();
    expect(answer.blob).toMatchObject({ url: expect.stringMatching(/^http:/), ticket: expect.any(String) });
    expect(textOf((await source.join(params)).update)).toBe(text);
  });

  it('keeps the type of an error, and refuses what it does not know', async () => {
    const bad = source.join({ document, senderId: 'x', heldAfter: -1, stateVector: Uint8Array.of(9) });
    await expect(bad).rejects.toMatchObject({ name: 'AppError', type: 'BAD_INPUT' });
    const unknown = nodes.caller.call(JOIN_ACTION, { document, senderId: 'x', heldAfter: -1, other: 1 });
    await expect(unknown).rejects.toMatchObject({ type: 'VALIDATION_ERROR' });
    const badPosition = { generation: 1, epoch: 1, partition: -1, offset: 0 };
    const refused = source.join({ document, senderId: 'x', heldAfter: -1, position: badPosition });
    await expect(refused).rejects.toMatchObject({ name: 'AppError', type: 'BAD_INPUT' });
  });

  it('reports to health what it does', async () => {
    const { parts } = await runtime.health.report();
    expect(parts.fastsync).toMatchObject({ ready: true, computing: 0, waiting: 0 });
    expect(parts.fastsync!.cachedDocuments).toBeGreaterThan(0);
  });
});

describe('the gateway’s side', () => {
  const join = { document, senderId: 'x', heldAfter: -1 };
  const answer = { position: {}, kind: 'full', stateVector: new Uint8Array(), appended: [] };
  const blob = { url: 'memory:', ticket: 't', bytes: 1 };

  it('says SERVICE_UNAVAILABLE when nobody answers', async () => {
    const lonely = createRemoteSyncSource({
      call: (_, params) => nodes.caller.call('nobody.documents.join', params),
      blobs: nodes.callerBlobs,
      timeoutMs: 100,
    });
    await expect(lonely.join(join)).rejects.toMatchObject({ type: 'SERVICE_UNAVAILABLE', retryable: true });
  });

  it('asks once more when the ticket has expired, and not for ever', async () => {
    let calls = 0;
    const gone = createRemoteSyncSource({
      call: async () => (calls++, { ...answer, blob: { ...blob, url: 'http://127.0.0.1:1' } }),
      blobs: {
        fetch: async () => {
          throw Object.assign(new Error('gone'), { type: 'SYNC_TICKET_UNKNOWN' });
        },
      },
      timeoutMs: 30_000,
    });
    await expect(gone.join(join)).rejects.toMatchObject({ name: 'AppError', type: 'SYNC_TICKET_UNKNOWN' });
    expect(calls).toBe(2);
  });
});
