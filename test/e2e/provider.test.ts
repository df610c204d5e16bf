import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Awareness } from 'y-protocols/awareness';
import * as Y from 'yjs';
import ywasm from 'ywasm';
import {
  ProtocolManager,
  socketTransport,
  type ManagerOptions,
  type Transport,
  type YwasmDoc,
} from '../../lib/provider/index.ts';
import { freePorts } from '../../scripts/dev/ports.ts';
import { startEmbedded, stopServers, type TestServer } from '../support/embedded.ts';
import { waitFor } from '../support/wait.ts';

let server: TestServer;
const managers: ProtocolManager[] = [];
const awarenesses: Awareness[] = [];
let rooms = 0;

beforeAll(async () => {
  server = await startEmbedded();
});
afterEach(() => {
  for (const manager of managers.splice(0)) manager.destroy();
  for (const awareness of awarenesses.splice(0)) awareness.destroy();
});
afterAll(() => stopServers());

const newRoom = () => `provider-${++rooms}`;

function connect(roomId: string, options: Partial<ManagerOptions> = {}): ProtocolManager {
  const manager = new ProtocolManager({ url: server.url, roomId, reconnectMinMs: 20, ...options });
  managers.push(manager);
  return manager;
}

async function open(manager: ProtocolManager, doc = new Y.Doc(), docId = 'doc'): Promise<Y.Doc> {
  manager.addDoc(doc, { docId });
  await waitFor(() => manager.documentState(docId)?.isSynced, { what: 'the first sync' });
  return doc;
}

const text = (doc: Y.Doc) => doc.getText('t');
const isSaved = (manager: ProtocolManager) => !manager.hasUnackedChanges;

/** What a client sees that has never been there before. */
async function textOnServer(roomId: string): Promise<string> {
  const reader = connect(roomId);
  return text(await open(reader)).toString();
}

/** A manager whose connections the test can break, and that counts what it sends. */
function breakable(roomId: string, url = server.url) {
  const connections: Transport[] = [];
  let sentFrames = 0;
  let mayConnect = true;
  const factory = socketTransport();
  const manager = connect(roomId, {
    url,
    transport: (to, auth, handlers) => {
      const inner = factory(mayConnect ? to : 'http://127.0.0.1:1', auth, handlers);
      const transport: Transport = {
        join: (request, onAnswer) => inner.join(request, onAnswer),
        leave: (address) => inner.leave(address),
        send: (frame) => {
          sentFrames++;
          inner.send(frame);
        },
        close: () => inner.close(),
      };
      connections.push({
        ...transport,
        close: () => {
          inner.close();
          handlers.onClosed({ message: 'broken by the test', permanent: false });
        },
      });
      return transport;
    },
  });
  return {
    manager,
    goOffline: () => {
      mayConnect = false;
      connections.at(-1)!.close();
    },
    goOnline: () => {
      mayConnect = true;
    },
    sentFrames: () => sentFrames,
  };
}

describe('two providers and the embedded server', () => {
  it('edit one Y.Doc together, and are told where each update is', async () => {
    const room = newRoom();
    const [a, b] = [connect(room), connect(room)];
    const positions: number[] = [];
    a.on('acked', ({ position }) => void positions.push(position.offset));
    const [docA, docB] = [await open(a), await open(b)];
    text(docA).insert(0, 'hello');
    await waitFor(() => text(docB).toString() === 'hello');
    text(docB).insert(5, ' world');
    await waitFor(() => text(docA).toString() === 'hello world' && isSaved(a) && isSaved(b));
    expect(positions).toHaveLength(1);
    await waitFor(() => {
      const [one, other] = [a, b].map((manager) => manager.documentState('doc')!.position!.offset);
      return one === other;
    });
  });

  it('see each other by awareness, and see who leaves', async () => {
    const room = newRoom();
    const [a, b] = [connect(room), connect(room)];
    const [one, two] = [new Awareness(new Y.Doc()), new Awareness(new Y.Doc())];
    awarenesses.push(one, two);
    a.addDoc(one.doc, { docId: 'doc', awareness: one });
    one.setLocalState({ name: 'Ann' });
    await waitFor(() => a.documentState('doc')?.isSynced);
    b.addDoc(two.doc, { docId: 'doc', awareness: two });
    two.setLocalState({ name: 'Bob' });
    await waitFor(() => two.getStates().get(one.clientID)?.name === 'Ann');
    await waitFor(() => one.getStates().get(two.clientID)?.name === 'Bob');
    a.destroy();
    await waitFor(() => !two.getStates().has(one.clientID));
  });

  it('many documents on one connection', async () => {
    const room = newRoom();
    const [a, b] = [connect(room), connect(room)];
    const ids = Array.from({ length: 20 }, (_, i) => `doc-${i}`);
    const docsA = await Promise.all(ids.map((id) => open(a, new Y.Doc(), id)));
    const docsB = await Promise.all(ids.map((id) => open(b, new Y.Doc(), id)));
    docsA.forEach((doc, i) => text(doc).insert(0, ids[i]!));
    await waitFor(() => docsB.every((doc, i) => text(doc).toString() === ids[i]));
  });

  it('a large document travels in chunks both ways, with progress', async () => {
    const room = newRoom();
    const a = connect(room);
    const doc = await open(a);
    const large = 'abcdefghij'.repeat(150_000);
    text(doc).insert(0, large);
    await waitFor(() => isSaved(a));
    const b = connect(room);
    let received = 0;
    b.on('progress', ({ receivedBytes }) => (received = receivedBytes));
    expect(text(await open(b)).toString()).toBe(large);
    expect(received).toBeGreaterThan(large.length);
  });
});

describe('content made without a connection', () => {
  it('before addDoc, by insertions, reaches the server', async () => {
    const room = newRoom();
    const doc = new Y.Doc();
    text(doc).insert(0, 'made offline');
    const a = connect(room);
    a.addDoc(doc, { docId: 'doc' });
    expect(a.hasUnackedChanges).toBe(true);
    await waitFor(() => isSaved(a));
    expect(await textOnServer(room)).toBe('made offline');
  });

  it('before addDoc, by deletions only, reaches the server', async () => {
    const room = newRoom();
    const first = connect(room);
    const source = await open(first);
    text(source).insert(0, 'keep this, drop that');
    await waitFor(() => isSaved(first));
    const copy = new Y.Doc();
    Y.applyUpdate(copy, Y.encodeStateAsUpdate(source));
    first.destroy();
    text(copy).delete(9, 11);
    const second = connect(room);
    second.addDoc(copy, { docId: 'doc' });
    await waitFor(() => isSaved(second));
    expect(await textOnServer(room)).toBe('keep this');
  });

  it('nothing is uploaded when nothing lacks', async () => {
    const room = newRoom();
    const first = connect(room);
    const source = await open(first);
    text(source).insert(0, 'text');
    text(source).delete(0, 1);
    await waitFor(() => isSaved(first));
    const copy = new Y.Doc();
    Y.applyUpdate(copy, Y.encodeStateAsUpdate(source));
    const { manager, sentFrames } = breakable(room);
    await open(manager, copy);
    await waitFor(() => isSaved(manager));
    expect(sentFrames()).toBe(0);
  });
});

describe('a connection that breaks', () => {
  it('what was typed meanwhile is sent, what others typed comes, from the position on', async () => {
    const room = newRoom();
    const { manager: a, goOffline, goOnline } = breakable(room);
    const b = connect(room);
    const [docA, docB] = [await open(a), await open(b)];
    text(docA).insert(0, '|');
    await waitFor(() => text(docB).toString() === '|' && isSaved(a));
    goOffline();
    expect(a.documentState('doc')).toMatchObject({ isSynced: false });
    for (const letter of 'left') text(docA).insert(text(docA).length - 1, letter);
    text(docB).insert(1, 'right');
    expect(a.hasUnackedChanges).toBe(true);
    goOnline();
    await waitFor(() => text(docA).toString() === 'left|right' && text(docB).toString() === 'left|right');
    await waitFor(() => isSaved(a) && isSaved(b));
  });

  it('a resume after the snapshot has moved on has everything, its own updates too', async () => {
    const room = newRoom();
    const { manager: a, goOffline, goOnline } = breakable(room);
    const b = connect(room);
    const [docA, docB] = [await open(a), await open(b)];
    text(docA).insert(0, 'a');
    await waitFor(() => isSaved(a) && text(docB).length === 1);
    goOffline();
    text(docA).insert(1, 'offline');
    const updates = 20;
    for (let i = 0; i < updates; i++) text(docB).insert(text(docB).length, String(i % 10));
    await waitFor(() => isSaved(b));
    const { epoch, partition, offset } = b.documentState('doc')!.position!;
    const document = { tenantId: 'default', roomId: room, docId: 'doc' };
    const store = await server.runtime.store();
    await waitFor(
      async () => {
        await server.broker.call('persister.snapshots.make', { document });
        return (await store.load({ document, epoch, partition })).snapshot?.throughOffset === offset;
      },
      { timeoutMs: 30_000, what: 'a snapshot of everything' },
    );
    goOnline();
    const length = 'a'.length + 'offline'.length + updates;
    await waitFor(() => isSaved(a) && text(docA).length === length && text(docB).length === length);
    expect(text(docA).toString()).toBe(text(docB).toString());
  });

  it('what was not acked is sent again after the server has been restarted on its data', async () => {
    // Of those that no connection is given while nobody listens there.
    const [port] = (await freePorts(1)) as [number];
    const first = await startEmbedded({ port });
    const { dataDir } = first;
    const room = newRoom();
    const a = connect(room, { url: first.url });
    const doc = await open(a);
    text(doc).insert(0, 'acked ');
    await waitFor(() => isSaved(a));
    await first.stop();
    await waitFor(() => a.status !== 'connected');
    text(doc).insert(6, 'typed while it was away ');
    expect(a.hasUnackedChanges).toBe(true);
    const second = await startEmbedded({ dataDir, port });
    await waitFor(() => isSaved(a), { timeoutMs: 30_000 });
    const reader = connect(room, { url: second.url });
    expect(text(await open(reader)).toString()).toBe('acked typed while it was away ');
    await second.stop();
  });
});

describe('subdocuments and ywasm', () => {
  it('Yjs subdocuments follow their parent', async () => {
    const room = newRoom();
    const [a, b] = [connect(room), connect(room)];
    const [rootA, rootB] = [await open(a), await open(b)];
    const child = new Y.Doc({ guid: 'child' });
    rootA.getMap('docs').set('child', child);
    text(child).insert(0, 'inside');
    await waitFor(() => rootB.getMap('docs').has('child'));
    const childB = rootB.getMap('docs').get('child') as Y.Doc;
    childB.load();
    await waitFor(() => text(childB).toString() === 'inside');
    text(childB).insert(6, '!');
    await waitFor(() => text(child).toString() === 'inside!' && isSaved(a) && isSaved(b));
    expect([...a.documents.keys()]).toEqual(['doc', 'doc/child']);
  });

  it('a ywasm document and a Yjs document edit one text together', async () => {
    const room = newRoom();
    const [a, b] = [connect(room), connect(room)];
    const doc = new ywasm.YDoc({});
    const yrs = doc.getText('t');
    yrs.insert(0, 'yrs ', undefined, undefined);
    a.addDoc(doc as YwasmDoc, { docId: 'doc' });
    const yjs = await open(b);
    await waitFor(() => text(yjs).toString() === 'yrs ');
    text(yjs).insert(4, 'yjs');
    await waitFor(() => yrs.toString(undefined) === 'yrs yjs');
    yrs.delete(0, 4, undefined);
    await waitFor(() => text(yjs).toString() === 'yjs' && isSaved(a) && isSaved(b));
  });
});
