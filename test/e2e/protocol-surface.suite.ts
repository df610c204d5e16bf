import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import {
  decodeAwarenessUpdate,
  decodeMessage,
  decodeServerFrame,
  encodeAwarenessPayload,
  encodeAwarenessUpdate,
  encodeSyncPayload,
  FrameKind,
  SyncMessageType,
  tryDecodeAwareness,
  type ServerFrame,
} from '../../lib/protocol/index.ts';
import { insertion, updatePayload } from '../support/bad-inputs.ts';
import type { TestServer } from '../support/embedded.ts';
import { hex } from '../support/hex.ts';
import { RawClient } from '../support/raw-client.ts';
import { waitFor } from '../support/wait.ts';

let server: TestServer;
const clients: RawClient[] = [];
let rooms = 0;

const newAddress = () => ({ roomId: `surface ${++rooms}`, docId: 'doc' });

async function connect(): Promise<RawClient> {
  const client = await RawClient.connect(server.url);
  clients.push(client);
  return client;
}

async function joined(address: { roomId: string; docId: string }): Promise<RawClient> {
  const client = await connect();
  await client.join(address);
  await waitFor(() => framesOf(client, FrameKind.State).length === 1);
  return client;
}

async function endOffset(roomId: string): Promise<number> {
  const { runtime } = server;
  return (await runtime.stream()).endOffset(runtime.topics.target('doc', { tenantId: 'default', roomId }));
}

function framesOf<K extends FrameKind>(client: RawClient, kind: K) {
  return client.frames.flatMap((bytes) => {
    const frame = decodeServerFrame(bytes);
    return frame.ok && frame.value.kind === kind ? [frame.value as Extract<ServerFrame, { kind: K }>] : [];
  });
}

function awarenessOf(client: RawClient) {
  return framesOf(client, FrameKind.Ephemeral)
    .flatMap(({ envelopes }) => envelopes)
    .flatMap((envelope) => {
      const update = tryDecodeAwareness(decodeMessage(envelope).content);
      const states = update.ok ? decodeAwarenessUpdate(update.value) : update;
      return states.ok ? states.value : [];
    });
}

const awareness = (clientId: number, clock: number, state: string) =>
  encodeAwarenessPayload(encodeAwarenessUpdate([{ clientId, clock, state }]));

/** The events and frames that docs/protocol.md describes. */
export function protocolSurface(start: () => Promise<TestServer>): void {
  describe('what docs/protocol.md says of the surface', () => {
    beforeAll(async () => {
      server = await start();
    });
    afterEach(() => clients.splice(0).forEach(({ socket }) => socket.disconnect()));

    it('a sync step 1 is a question: a state with join 0 answers it, and the log does not grow', async () => {
      const address = newAddress();
      const client = await joined(address);
      client.send(client.frameOf(address, updatePayload(insertion('a')), { version: 1 }));
      await waitFor(() => framesOf(client, FrameKind.Acks).length === 1);
      const before = await endOffset(address.roomId);
      client.send(client.frameOf(address, encodeSyncPayload(SyncMessageType.Step1, hex('00'))));
      await waitFor(() => framesOf(client, FrameKind.State).length === 2);
      const { head } = framesOf(client, FrameKind.State)[1]!;
      expect(head).toMatchObject({ ...address, join: 0, kind: 'full' });
      expect(await endOffset(address.roomId)).toBe(before);
    });

    it('a state names the join it answers, and its position is that of the answer', async () => {
      const address = newAddress();
      const client = await connect();
      const answer = await client.ask('join', { ...address, senderId: client.senderId });
      await waitFor(() => framesOf(client, FrameKind.State).length === 1);
      const { head, payload } = framesOf(client, FrameKind.State)[0]!;
      expect(answer).toMatchObject({ ok: true, join: head.join, position: head.position, readOnly: false });
      expect(answer).toMatchObject({ appended: [], stateBytes: payload.byteLength });
    });

    it('of two joins of one document at a time the second is refused for the moment', async () => {
      const address = newAddress();
      const client = await connect();
      const request = { ...address, senderId: client.senderId };
      const answers = await Promise.all([client.ask('join', request), client.ask('join', request)]);
      expect(answers).toMatchObject([
        { ok: true },
        { ok: false, code: 'JOIN_IN_PROGRESS', permanent: false },
      ]);
    });

    it('the keys of the server are its own, unknown ones and the payload stay', async () => {
      const address = newAddress();
      const [writer, reader] = [await joined(address), await joined(address)];
      const payload = updatePayload(insertion('a'));
      const spoofed = { tenantId: 'other', userId: 'root', traceparent: 'x', receivedAt: 1, timestamp: 1 };
      writer.send(writer.frameOf(address, payload, { ...spoofed, version: 1, later: { x: [1] } }));
      await waitFor(() => framesOf(reader, FrameKind.Entries).length === 1);
      const message = decodeMessage(framesOf(reader, FrameKind.Entries)[0]!.entries[0]!.envelope);
      const { timestamp, ...metadata } = message.metadata;
      expect(metadata).toEqual({
        v: 1,
        ...address,
        senderId: writer.senderId,
        version: 1,
        generation: 1,
        tenantId: 'default',
        later: { x: [1] },
      });
      expect(Math.abs(timestamp - Date.now())).toBeLessThan(60_000);
      expect(message.payload).toEqual(payload);
    });

    it('after leave nothing more comes, and sending is answered NOT_JOINED', async () => {
      const address = newAddress();
      const [a, b] = [await joined(address), await joined(address)];
      expect(await a.ask('leave', address)).toEqual({ ok: true });
      expect(await a.ask('leave', newAddress())).toEqual({ ok: true });
      const before = a.frames.length;
      b.send(b.frameOf(address, updatePayload(insertion('b')), { version: 1 }));
      await waitFor(() => framesOf(b, FrameKind.Acks).length === 1);
      a.send(a.frameOf(address, updatePayload(insertion('a')), { version: 1 }));
      await waitFor(() => a.nacks.length === 1);
      expect(a.nacks[0]).toMatchObject({ ...address, version: 1, code: 'NOT_JOINED', permanent: false });
      expect(a.frames.length).toBe(before);
    });

    it('awareness comes with the join and on demand, belongs to its connection, and goes with it', async () => {
      const address = newAddress();
      const a = await joined(address);
      a.send(a.frameOf(address, awareness(7, 1, '{"name":"A"}')));
      const b = await joined(address);
      const shown = { clientId: 7, clock: 1, state: '{"name":"A"}' };
      await waitFor(() => awarenessOf(b).length === 1);
      b.send(b.frameOf(address, hex('03')));
      await waitFor(() => awarenessOf(b).length === 2);
      expect(awarenessOf(b)).toEqual([shown, shown]);
      a.socket.disconnect();
      await waitFor(() => awarenessOf(b).length === 3);
      expect(awarenessOf(b)[2]).toEqual({ clientId: 7, clock: 1, state: 'null' });
    });
  });
}
