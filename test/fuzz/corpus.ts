import { join } from 'node:path';
import { Awareness } from 'y-protocols/awareness';
import * as Y from 'yjs';
import { ProtocolManager, socketTransport, type TransportFactory } from '../../lib/provider/index.ts';
import {
  createMetadata,
  encodeClientEntries,
  encodeSyncStep1,
  type DocumentAddress,
  type JoinRequest,
} from '../../lib/protocol/index.ts';
import { readTrace } from '../../scripts/lib/trace.ts';
import { waitFor } from '../support/wait.ts';

/** What real sessions say to a server and hear from it: the inputs that are then damaged. */
export interface Corpus {
  /** The room and the sender that stand in the frames; they are replaced by others of the same length. */
  roomId: string;
  senderIds: string[];
  addresses: DocumentAddress[];
  toServer: Uint8Array[];
  toClient: Uint8Array[];
  joins: JoinRequest[];
}

const PAPER = join(import.meta.dirname, '../data/automerge-paper.json.gz');
const ROOM = 'fuzz-corpus0';
const EDITS = 120;
/** So that a paste travels as chunks without being large. */
const MAX_FRAME_BYTES = 4 * 1024;
const PASTE_CHARACTERS = 12_000;
const TIMEOUT_MS = 60_000;

/** Two real providers edit text, a map and a subdocument on the server; everything that passes is kept. */
export async function recordCorpus(url: string): Promise<Corpus> {
  const corpus: Corpus = {
    roomId: ROOM,
    senderIds: [],
    addresses: [],
    toServer: [],
    toClient: [],
    joins: [],
  };
  const managers = [0, 1].map(
    () =>
      new ProtocolManager({
        url,
        roomId: ROOM,
        transport: recording(corpus),
        maxFrameBytes: MAX_FRAME_BYTES,
      }),
  );
  const docs = managers.map((manager) => {
    const doc = new Y.Doc();
    const awareness = new Awareness(doc);
    manager.addDoc(doc, { docId: 'text', awareness });
    return { doc, awareness };
  });
  const settled = (what: string) =>
    waitFor(
      () =>
        managers.every((manager) => manager.documentState('text')?.isSynced && !manager.hasUnackedChanges) &&
        docs[0]!.doc.getText('t').toString() === docs[1]!.doc.getText('t').toString(),
      { timeoutMs: TIMEOUT_MS, what },
    );
  try {
    await settled('the recording session begins');
    await type(docs.map(({ doc }) => doc));
    docs.forEach(({ awareness }, index) =>
      awareness.setLocalStateField('user', { name: `writer ${index}`, cursor: [index, 2.5, null, true] }),
    );
    docs[0]!.doc.getMap<Y.Doc>('m').set('child', new Y.Doc({ guid: 'sub-document' }));
    docs[1]!.doc.getText('t').insert(3, 'pasted '.repeat(PASTE_CHARACTERS / 7));
    await settled('the recording session ends');
    managers[1]!.disconnect();
    docs[1]!.doc.getText('t').insert(0, 'offline ');
    managers[1]!.connect();
    await settled('the recording session has come back');
  } finally {
    for (const manager of managers) manager.destroy();
    for (const { awareness } of docs) awareness.destroy();
  }
  corpus.senderIds = managers.map(({ senderId }) => senderId);
  corpus.addresses = distinct(corpus.joins);
  corpus.toServer.push(...questions(corpus));
  return corpus;
}

/** The beginning of a real paper, by two people in turn, a frame for every few keystrokes. */
async function type(docs: readonly Y.Doc[]): Promise<void> {
  const { transactions } = await readTrace(PAPER);
  for (const [index, { patches }] of transactions.slice(0, EDITS).entries()) {
    const doc = docs[index % 2]!;
    const text = doc.getText('t');
    doc.transact(() => {
      for (const [position, deleted, inserted] of patches) {
        const at = Math.min(position, text.length);
        text.delete(at, Math.min(deleted, text.length - at));
        text.insert(at, inserted);
        if (index % 10 === 0) doc.getMap('m').set(`k${index}`, { at, bytes: Uint8Array.of(1, 2, index) });
      }
    });
    if (index % 20 === 0) text.format(0, Math.min(4, text.length), { bold: true });
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function recording(corpus: Corpus): TransportFactory {
  const factory = socketTransport();
  return (url, auth, handlers) => {
    const transport = factory(url, auth, {
      ...handlers,
      onOpen: () => handlers.onOpen(),
      onFrame: (frame) => {
        corpus.toClient.push(frame.slice());
        handlers.onFrame(frame);
      },
    });
    return {
      join: (request, onAnswer) => {
        corpus.joins.push(request);
        transport.join(request, onAnswer);
      },
      leave: (address) => transport.leave(address),
      send: (frame) => {
        corpus.toServer.push(frame.slice());
        transport.send(frame);
      },
      close: () => transport.close(),
    };
  };
}

function distinct(joins: readonly JoinRequest[]): DocumentAddress[] {
  const byName = new Map(
    joins.map(({ roomId, docId, subdocId }) => [
      `${docId}/${subdocId}`,
      { roomId, docId, ...(subdocId === undefined ? {} : { subdocId }) },
    ]),
  );
  return [...byName.values()];
}

/** Sync step 1, which the providers do not send: their joins ask. */
function questions({ senderIds, addresses }: Corpus): Uint8Array[] {
  const vector = Y.encodeStateVector(new Map([[4_000_000_000, 70_000]]));
  return addresses.map((address) => {
    const metadata = createMetadata({ ...address, senderId: senderIds[0]!, version: 0, timestamp: 0 });
    return encodeClientEntries([encodeSyncStep1(metadata, vector)]);
  });
}
