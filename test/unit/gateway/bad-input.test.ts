import { afterEach, describe, expect, it } from '@jest/globals';
import * as Y from 'yjs';
import {
  encodeAwarenessPayload,
  encodeChunk,
  encodeClientEntries,
  encodeControlPayload,
  encodePayload,
  encodeSyncPayload,
  SyncMessageType,
} from '../../../lib/protocol/index.ts';
import { waitFor } from '../../support/wait.ts';
import { cleanUp, openLog, startGateway, type TestLog } from './harness.ts';
import { RawClient } from './raw-client.ts';

afterEach(cleanUp);

const A = { roomId: 'room', docId: 'a' };
const EMPTY_UPDATE = Y.encodeStateAsUpdate(new Y.Doc());

async function recordsIn(log: TestLog): Promise<number> {
  const target = log.topics.target('doc', { tenantId: 'default', roomId: A.roomId });
  return log.stream.endOffset(target);
}

async function nackFor(client: RawClient, frame: Uint8Array) {
  const before = client.nacks().length;
  client.socket.emit('protocol-message', Buffer.from(frame));
  return waitFor(() => client.nacks()[before], { what: 'a nack' });
}

describe('bad input at the door', () => {
  it('gets a nack with its code; nothing of it enters the log, the others notice nothing', async () => {
    const log = await openLog();
    const { url } = await startGateway(log, { config: { maxUpdateBytes: 10_000 } });
    const [bad, good] = [await RawClient.connect(url), await RawClient.connect(url)];
    await bad.join(A);
    await good.join(A);
    const update = (fields: Record<string, unknown>, body = EMPTY_UPDATE) =>
      encodeClientEntries([
        bad.envelope(A, encodeSyncPayload(SyncMessageType.Update, body), { version: 1, ...fields }),
      ]);
    const sound = update({});
    const cases: [string, Uint8Array, string][] = [
      ['garbage', Uint8Array.of(99, 1, 2, 3), 'BAD_FRAME'],
      ['an empty frame', new Uint8Array(), 'BAD_FRAME'],
      ['a kind that only the server sends', Uint8Array.of(4, 1, 2), 'BAD_FRAME'],
      ['a truncated envelope', sound.subarray(0, sound.length - 3), 'BAD_FRAME'],
      [
        'a metadata length beyond the envelope',
        encodeClientEntries([Uint8Array.of(255, 3, 1)]),
        'BAD_ENVELOPE',
      ],
      ['metadata beyond the limit', encodeClientEntries([Uint8Array.of(255, 255, 1)]), 'METADATA_TOO_LARGE'],
      ['metadata that are no JSON', encodeClientEntries([Uint8Array.of(1, 0, 65, 0, 0)]), 'BAD_METADATA'],
      ['a future format version', update({ v: 2 }), 'UNSUPPORTED_VERSION'],
      ['a room that was not joined', update({ roomId: 'other' }), 'NOT_JOINED'],
      ['a document name of 3 kB', update({ docId: 'x'.repeat(3000) }), 'BAD_ID'],
      ['a document name with control characters', update({ docId: 'a\u0000' }), 'BAD_ID'],
      ['a foreign sender id', update({ senderId: 'f'.repeat(32) }), 'BAD_METADATA'],
      ['version 0', update({ version: 0 }), 'BAD_METADATA'],
      ['a generation that has not begun', update({ version: 3, generation: 2 }), 'BAD_METADATA'],
      ['an update that Yjs cannot decode', update({ version: 4 }, Uint8Array.of(9, 9, 9)), 'BAD_UPDATE'],
      ['an update beyond the limit', update({ version: 5 }, new Uint8Array(10_001)), 'UPDATE_TOO_LARGE'],
      [
        'auth',
        encodeClientEntries([bad.envelope(A, encodePayload(2, Uint8Array.of(0)))]),
        'BAD_MESSAGE_TYPE',
      ],
      [
        'control',
        encodeClientEntries([
          bad.envelope(A, encodeControlPayload({ op: 'barrier', generation: 9, reason: 'deleted' })),
        ]),
        'BAD_MESSAGE_TYPE',
      ],
      [
        'an unknown message type',
        encodeClientEntries([bad.envelope(A, Uint8Array.of(77, 0))]),
        'BAD_ENVELOPE',
      ],
      [
        'awareness that cannot be read',
        encodeClientEntries([bad.envelope(A, encodeAwarenessPayload(Uint8Array.of(5, 1)))]),
        'BAD_AWARENESS',
      ],
      [
        'a chunk out of order',
        encodeChunk({ id: 1, index: 1, count: 2, bytes: Uint8Array.of(1) }),
        'BAD_CHUNK',
      ],
    ];
    for (const [what, frame, code] of cases) {
      expect([what, (await nackFor(bad, frame)).code]).toEqual([what, code]);
    }
    expect(await recordsIn(log)).toBe(0);
    good.type(A, 'fine');
    await waitFor(() => good.isAcked(A, 1) && bad.text(A) === 'fine');
    expect(good.nacks()).toEqual([]);
  });

  it('names the update that a nack is about', async () => {
    const { url } = await startGateway(await openLog());
    const client = await RawClient.connect(url);
    await client.join(A);
    client.send(A, Uint8Array.of(9, 9, 9), { version: 7 });
    await waitFor(() => client.nacks().length === 1);
    expect(client.nacks()[0]).toMatchObject({ ...A, version: 7, code: 'BAD_UPDATE', permanent: true });
    client.send(A, EMPTY_UPDATE, { version: 7 });
    await waitFor(() => client.nacks().length === 2);
    expect(client.nacks()[1]).toMatchObject({ version: 7, code: 'BAD_UPDATE' });
  });

  it('refuses a message of chunks that grows too large, naming its update', async () => {
    const { url } = await startGateway(await openLog(), {
      config: { maxUpdateBytes: 20_000, maxFrameBytes: 8192 },
    });
    const client = await RawClient.connect(url);
    await client.join(A);
    const payload = encodeSyncPayload(SyncMessageType.Update, new Uint8Array(300_000));
    const frame = encodeClientEntries([client.envelope(A, payload, { version: 3 })]);
    for (let index = 0, count = Math.ceil(frame.length / 8000); index < count; index++)
      client.socket.emit(
        'protocol-message',
        Buffer.from(
          encodeChunk({ id: 5, index, count, bytes: frame.subarray(index * 8000, (index + 1) * 8000) }),
        ),
      );
    const nack = await waitFor(() => client.nacks()[0]);
    expect(nack).toMatchObject({ ...A, version: 3, code: 'UPDATE_TOO_LARGE' });
    client.socket.emit('protocol-message', Buffer.alloc(9000));
    await waitFor(() => client.nacks().some(({ code }) => code === 'FRAME_TOO_LARGE'));
  });

  it('closes a repeated offender and nobody else', async () => {
    const { url } = await startGateway(await openLog(), { config: { maxBadMessages: 20 } });
    const [bad, good] = [await RawClient.connect(url), await RawClient.connect(url)];
    await good.join(A);
    for (let i = 0; i < 10_000; i++) bad.socket.emit('protocol-message', Buffer.from([99, 1, 2]));
    await waitFor(() => !bad.socket.connected);
    expect(bad.closeNotice).toMatchObject({ code: 'REPEATED_OFFENDER', permanent: true, cause: 'BAD_FRAME' });
    good.type(A, 'x');
    await waitFor(() => good.isAcked(A, 1));
  });

  it('10,000 updates at once: each is acked or nacked, and what was nacked can be sent again', async () => {
    const { url } = await startGateway(await openLog(), { config: { maxUnacked: 64 } });
    const client = await RawClient.connect(url);
    await client.join(A);
    const update = client.edit(A, 'x');
    for (let i = 0; i < 10_000; i++) client.send(A, update);
    const settled = () => client.acks(A).length + client.nacks().length;
    await waitFor(() => settled() >= 10_000, { timeoutMs: 60_000 });
    expect(new Set(client.nacks().map(({ code }) => code))).toEqual(new Set(['TOO_MANY_UNACKED', 'OWED']));
    const lowest = Math.min(...client.nacks().map(({ version }) => version ?? 0));
    client.send(A, update, { version: lowest });
    await waitFor(() => client.isAcked(A, lowest));
    expect(client.socket.connected).toBe(true);
  });

  it('refuses joins that are malformed, one too many, or the same document twice at a time', async () => {
    const { url } = await startGateway(await openLog(), { config: { maxDocumentsPerSocket: 2 } });
    const client = await RawClient.connect(url);
    expect(await client.tryJoin({ roomId: 'r', docId: '' })).toMatchObject({ ok: false, code: 'BAD_ID' });
    expect(await client.tryJoin({ ...A, position: { generation: 1 } as never })).toMatchObject({
      ok: false,
      code: 'BAD_REQUEST',
    });
    const [one, two] = await Promise.all([client.tryJoin(A), client.tryJoin(A)]);
    expect([one.ok, two]).toMatchObject([true, { ok: false, code: 'JOIN_IN_PROGRESS', permanent: false }]);
    await client.join({ roomId: 'room', docId: 'b' });
    expect(await client.tryJoin({ roomId: 'room', docId: 'c' })).toMatchObject({
      code: 'TOO_MANY_DOCUMENTS',
    });
    expect(await client.leave(A)).toEqual({ ok: true });
    expect(await client.tryJoin({ roomId: 'room', docId: 'c' })).toMatchObject({ ok: true });
  });

  it('with AUTH=accounts everybody is refused before anything else happens', async () => {
    const { url } = await startGateway(await openLog(), { config: { auth: 'accounts' } });
    const client = new RawClient(url);
    const error = await new Promise<Error & { data?: unknown }>((resolve) =>
      client.socket.on('connect_error', resolve),
    );
    expect(error.data).toMatchObject({ code: 'UNAUTHENTICATED', permanent: true });
  });

  it('a reader gets everything and may change nothing', async () => {
    const log = await openLog();
    const access = {
      identify: async () => ({ ok: true, identity: { tenantId: 'default', userId: 'u1' } }) as const,
      mayUse: (_: unknown, { docId }: { docId: string }) => ({
        read: docId !== 'secret',
        write: docId === 'b',
      }),
    };
    const { url } = await startGateway(log, { access });
    const client = await RawClient.connect(url);
    expect(await client.join(A)).toMatchObject({ readOnly: true });
    client.type(A, 'no');
    expect(await waitFor(() => client.nacks()[0])).toMatchObject({ code: 'READ_ONLY', version: 1 });
    expect(await client.tryJoin({ roomId: 'room', docId: 'secret' })).toMatchObject({
      code: 'PERMISSION_DENIED',
    });
    expect(await recordsIn(log)).toBe(0);
  });
});
