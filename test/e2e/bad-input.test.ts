import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import * as Y from 'yjs';
import { decodeServerFrame, FrameKind } from '../../lib/protocol/index.ts';
import { ProtocolManager } from '../../lib/provider/index.ts';
import {
  ADDRESS,
  BAD_INPUTS,
  insertion,
  MAX_FRAME_BYTES,
  MAX_UPDATE_BYTES,
  updatePayload,
} from '../support/bad-inputs.ts';
import { startEmbedded, stopServers, type TestServer } from '../support/embedded.ts';
import { hex } from '../support/hex.ts';
import { RawClient } from '../support/raw-client.ts';
import { ThinClient, type ThinDocument } from '../support/thin-client.mjs';
import { waitFor } from '../support/wait.ts';

const MAX_BAD_MESSAGES = 20;

describe('bad input', () => {
  let server: TestServer;
  let bystanders: [ThinDocument, ThinDocument];
  const sockets: { disconnect(): void }[] = [];

  beforeAll(async () => {
    server = await startEmbedded({
      maxUpdateBytes: MAX_UPDATE_BYTES,
      maxFrameBytes: MAX_FRAME_BYTES,
      maxBadMessages: MAX_BAD_MESSAGES,
    });
    const clients = [new ThinClient(server.url), new ThinClient(server.url)] as const;
    bystanders = [clients[0].open(ADDRESS), clients[1].open(ADDRESS)];
    await waitFor(() => bystanders.every(({ states }) => states.length === 1));
    bystanders[0].doc.getText('t').insert(0, 'mine');
    await waitFor(() => textOf(bystanders[1]) === 'mine');
  });
  afterEach(() => sockets.splice(0).forEach((socket) => socket.disconnect()));
  afterAll(async () => {
    bystanders.forEach((document) => document.client.socket.disconnect());
    await stopServers();
  });

  const textOf = ({ doc }: ThinDocument) => doc.getText('t').toString();

  async function attacker({ joined = true } = {}): Promise<RawClient> {
    const client = await RawClient.connect(server.url);
    sockets.push(client.socket);
    if (joined) await client.join(ADDRESS);
    return client;
  }

  async function endOffset(roomId = ADDRESS.roomId): Promise<number> {
    const { runtime } = server;
    return (await runtime.stream()).endOffset(runtime.topics.target('doc', { tenantId: 'default', roomId }));
  }

  /** An edit goes from one bystander to the other; nothing else has come to either of them. */
  async function expectUnnoticed(): Promise<void> {
    const [a, b] = bystanders;
    const text = `${textOf(a)}.`;
    a.doc.getText('t').insert(text.length - 1, '.');
    await waitFor(() => textOf(b) === text && a.unacked.size === 0);
    expect([...a.nacks, ...b.nacks]).toEqual([]);
    expect([a.states.length, b.states.length]).toEqual([1, 1]);
  }

  it.each(BAD_INPUTS)(
    'answers $code to $what; nobody else notices and the log stays as it is',
    async ({ code, send }) => {
      const client = await attacker();
      const before = await endOffset();
      const expected = send(client) ?? {};
      const nack = await waitFor(() => client.nacks[0], { what: `a nack ${code}` });
      expect(nack).toMatchObject({ code, message: expect.stringMatching(/\w+.*\./) });
      expect(nack).toMatchObject(expected);
      expect(nack.permanent).toBe(code !== 'NOT_JOINED');
      expect(await endOffset()).toBe(before);
      await expectUnnoticed();
      expect(await endOffset()).toBe(before + 1);
      expect(client.isClosed).toBe(false);
    },
  );

  it.each([
    ['no object', null, 'BAD_REQUEST'],
    ['a number', 5, 'BAD_REQUEST'],
    ['no ids', {}, 'BAD_ID'],
    ['a name of 10 kB', { ...ADDRESS, docId: 'x'.repeat(10_240), senderId: 's' }, 'BAD_ID'],
    ['control characters', { ...ADDRESS, roomId: 'a\nb', senderId: 's' }, 'BAD_ID'],
    ['a lone surrogate', { ...ADDRESS, docId: 'a\ud800', senderId: 's' }, 'BAD_ID'],
    ['no sender', ADDRESS, 'BAD_ID'],
    ['a position that is none', { ...ADDRESS, senderId: 's', position: { offset: 1 } }, 'BAD_REQUEST'],
    ['a state vector that is none', { ...ADDRESS, senderId: 's', stateVector: 'x' }, 'BAD_REQUEST'],
    ['a damaged state vector', { ...ADDRESS, senderId: 's', stateVector: hex('05 01') }, 'BAD_REQUEST'],
  ])('refuses a join with %s', async (_what, request, code) => {
    const client = await attacker({ joined: false });
    expect(await client.ask('join', request)).toMatchObject({ ok: false, code, permanent: true });
    expect(client.isClosed).toBe(false);
    await expectUnnoticed();
  });

  it('takes a join and a leave that nobody wants answered for bad requests', async () => {
    const client = await attacker({ joined: false });
    client.socket.emit('join', { ...ADDRESS, senderId: 's' });
    client.socket.emit('leave');
    client.socket.emit('no such event', new Uint8Array(100));
    await waitFor(() => client.nacks.length === 2);
    expect(client.nacks.map(({ code }) => code)).toEqual(['BAD_REQUEST', 'BAD_REQUEST']);
    expect(client.frames).toEqual([]);
    await expectUnnoticed();
  });

  it('goes on after a client that speaks something else than Socket.IO', async () => {
    const url = `${server.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`;
    for (const bytes of [
      'garbage',
      '42[',
      '451-["protocol-message",{"_placeholder":true,"num":7}]',
      '4'.repeat(100_000),
    ]) {
      const socket = new WebSocket(url);
      sockets.push({ disconnect: () => socket.close() });
      await waitFor(() => socket.readyState === WebSocket.OPEN);
      socket.send('40');
      socket.send(bytes);
      socket.send(new Uint8Array([1, 2, 3]));
    }
    await expectUnnoticed();
  });

  it('a message beyond what the transport takes closes its connection, and nobody else notices', async () => {
    const client = await attacker();
    const before = await endOffset();
    client.send(new Uint8Array(2 * 1024 * 1024));
    await waitFor(() => client.isClosed, { what: 'the end of the connection' });
    expect(client.nacks).toEqual([]);
    expect(await endOffset()).toBe(before);
    await expectUnnoticed();
  });

  it('a client that is told to send larger frames than the server takes sends smaller ones, and keeps its connection', async () => {
    const manager = new ProtocolManager({
      url: server.url,
      roomId: 'large',
      maxFrameBytes: 64 * 1024 * 1024,
    });
    sockets.push({ disconnect: () => manager.destroy() });
    const statuses: string[] = [];
    const refusals: unknown[] = [];
    manager.on('status', ({ status }) => statuses.push(status));
    manager.on('update-refused', (event) => refusals.push(event));
    const doc = new Y.Doc();
    manager.addDoc(doc, { docId: 'doc' });
    await waitFor(() => manager.documentState('doc')?.isSynced === true);
    const text = 'much '.repeat(60_000);
    doc.getText('t').insert(0, text);
    await waitFor(() => !manager.hasUnackedChanges, { timeoutMs: 60_000, what: 'all is acked' });
    expect([statuses, refusals]).toEqual([['connecting', 'connected'], []]);
    const reader = new ThinClient(server.url);
    sockets.push(reader.socket);
    const copy = reader.open({ roomId: 'large', docId: 'doc' });
    await waitFor(() => textOf(copy) === text, { timeoutMs: 60_000 });
  });

  it('takes the state vector of a document with ten thousand clients, though its frames are smaller', async () => {
    const client = await attacker({ joined: false });
    // Ids and clocks as they are after years: about 8 bytes each.
    const vector = new Map(Array.from({ length: 15_000 }, (_, n) => [2 ** 31 + n * 997, 1 + n * 3]));
    const stateVector = Y.encodeStateVector(vector);
    expect(stateVector.byteLength).toBeGreaterThan(MAX_FRAME_BYTES * 1.4 + 16 * 1024);
    const answer = await client.ask('join', { ...ADDRESS, senderId: client.senderId, stateVector });
    expect(answer).toMatchObject({ ok: true });
    expect(client.isClosed).toBe(false);
  });

  it('closes a repeated offender, who sends 10,000 unreadable frames at once, and says why', async () => {
    const client = await attacker();
    const before = await endOffset();
    for (let i = 0; i < 10_000; i++) client.send(hex('63 00 01'));
    await waitFor(() => client.isClosed, { what: 'the end of the connection' });
    expect(client.closes).toMatchObject([{ code: 'REPEATED_OFFENDER', permanent: true, cause: 'BAD_FRAME' }]);
    expect(client.nacks.length).toBeLessThanOrEqual(MAX_BAD_MESSAGES);
    expect(await endOffset()).toBe(before);
    await expectUnnoticed();
  });

  it('appends of 10,000 updates sent at once what it acks, and nacks the rest as not known durable', async () => {
    const client = await attacker({ joined: false });
    const address = { roomId: 'flooded', docId: 'doc' };
    await client.join(address);
    const payload = updatePayload(insertion('x'));
    for (let version = 1; version <= 10_000; version++)
      client.send(client.frameOf(address, payload, { version }));
    const acked = () =>
      client.frames.flatMap((bytes) => {
        const result = decodeServerFrame(bytes);
        return result.ok && result.value.kind === FrameKind.Acks ? result.value.acks : [];
      });
    // Each look reads all that has come: not so often that it takes the server's time.
    await waitFor(() => acked().length + client.nacks.length >= 10_000, {
      timeoutMs: 300_000,
      intervalMs: 200,
      what: 'every update is answered',
    });
    expect(client.nacks.every(({ permanent }) => !permanent)).toBe(true);
    expect(await endOffset(address.roomId)).toBe(
      Math.max(...acked().map(({ position }) => position.offset)) + 1,
    );
    const versions = acked().map(({ version }) => version);
    expect(versions.length).toBeGreaterThan(0);
    expect(versions).toEqual(versions.map((_, i) => i + 1));
    await expectUnnoticed();
  });

  it('still serves a newcomer', async () => {
    const client = new ThinClient(server.url);
    sockets.push(client.socket);
    const document = client.open(ADDRESS);
    await waitFor(() => document.states.length === 1);
    expect(textOf(document)).toBe(textOf(bystanders[0]));
  });
});
