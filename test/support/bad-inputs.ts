import * as Y from 'yjs';
import {
  encodeAwarenessPayload,
  encodeChunk,
  encodeClientEntries,
  encodeControlPayload,
  encodeSyncPayload,
  SyncMessageType,
  type NackCode,
} from '../../lib/protocol/index.ts';
import { hex } from './hex.ts';
import type { RawClient } from './raw-client.ts';

export const MAX_UPDATE_BYTES = 256 * 1024;
export const MAX_FRAME_BYTES = 64 * 1024;
export const ADDRESS = { roomId: 'room', docId: 'doc' };

export const updatePayload = (update: Uint8Array) => encodeSyncPayload(SyncMessageType.Update, update);

export function insertion(text: string): Uint8Array {
  const doc = new Y.Doc({ guid: 'x' });
  doc.getText('t').insert(0, text);
  return Y.encodeStateAsUpdate(doc);
}

const GOOD = updatePayload(insertion('never to be seen'));

export interface BadInput {
  what: string;
  code: NackCode;
  /** Sends it; returns what the nack should say beside the code. */
  send: (client: RawClient) => Record<string, unknown> | void;
}

const frame =
  (make: (client: RawClient) => unknown): BadInput['send'] =>
  (client) =>
    client.send(make(client));

/** A message with this payload and these metadata; the nack names document and version. */
const update =
  (payload: Uint8Array, fields: Record<string, unknown> = {}): BadInput['send'] =>
  (client) => {
    const named = { ...ADDRESS, version: 1, ...fields };
    client.sendSplit(client.frameOf(ADDRESS, payload, named), MAX_FRAME_BYTES);
    const { roomId, docId, version } = named;
    return { roomId, docId, version };
  };

/** A message whose metadata cannot be read: the nack cannot name the update. */
const unreadable =
  (fields: Record<string, unknown>): BadInput['send'] =>
  (client) =>
    void update(GOOD, fields)(client);

/** What a client must not send, and the code that answers it. For a server with the limits above, joined to ADDRESS. */
export const BAD_INPUTS: BadInput[] = [
  { what: 'nothing', code: 'BAD_FRAME', send: (client) => client.send() },
  { what: 'a text', code: 'BAD_FRAME', send: frame(() => 'text') },
  { what: 'an object', code: 'BAD_FRAME', send: frame(() => ({ kind: 1 })) },
  { what: 'an empty frame', code: 'BAD_FRAME', send: frame(() => new Uint8Array(0)) },
  {
    what: 'garbage',
    code: 'BAD_FRAME',
    send: frame(() => Uint8Array.from({ length: 999 }, (_, i) => i * 7)),
  },
  { what: 'a frame kind of the future', code: 'BAD_FRAME', send: frame(() => hex('02 01 01')) },
  { what: 'a frame kind that only servers send', code: 'BAD_FRAME', send: frame(() => hex('06 02 7b7d 00')) },
  {
    what: 'a frame cut off in its envelope',
    code: 'BAD_FRAME',
    send: frame((client) => client.frameOf(ADDRESS, GOOD).subarray(0, -3)),
  },
  {
    what: 'a truncated envelope',
    code: 'BAD_ENVELOPE',
    send: frame((client) => encodeClientEntries([client.envelope(ADDRESS, GOOD).subarray(0, 60)])),
  },
  {
    what: 'metadata that end beyond the frame',
    code: 'BAD_ENVELOPE',
    send: frame(() => hex('01 03 ff0f 7b')),
  },
  { what: 'metadata that are no JSON', code: 'BAD_METADATA', send: frame(() => hex('01 05 0200 7b7b 00')) },
  {
    what: 'a JSON bomb',
    code: 'BAD_METADATA',
    send: unreadable({ x: JSON.parse('['.repeat(999) + ']'.repeat(999)) }),
  },
  { what: 'a future format version', code: 'UNSUPPORTED_VERSION', send: unreadable({ v: 2 }) },
  {
    what: 'a room that was not joined',
    code: 'NOT_JOINED',
    send: update(GOOD, { roomId: 'other' }),
  },
  { what: 'a subdocument that was not joined', code: 'NOT_JOINED', send: update(GOOD, { subdocId: 'guid' }) },
  { what: 'a foreign sender id', code: 'BAD_METADATA', send: update(GOOD, { senderId: 'b'.repeat(32) }) },
  {
    what: 'an update that Yjs cannot decode',
    code: 'BAD_UPDATE',
    send: update(updatePayload(hex('01 01 01 00 04 ff'))),
  },
  {
    what: 'an item of no length',
    code: 'BAD_UPDATE',
    send: update(updatePayload(hex('01 01 05 00 04 01 01 74 00 00'))),
  },
  {
    what: 'deletions that go backwards',
    code: 'BAD_UPDATE',
    send: update(updatePayload(hex('00 01 05 02 05 01 01 01'))),
  },
  { what: 'an update of no bytes', code: 'BAD_UPDATE', send: update(updatePayload(hex(''))) },
  { what: 'bytes behind an update', code: 'BAD_ENVELOPE', send: update(hex('00 02 02 0000 99')) },
  {
    what: 'a question with a state vector that cannot be read',
    code: 'BAD_ENVELOPE',
    send: update(encodeSyncPayload(SyncMessageType.Step1, hex('05 01'))),
  },
  { what: 'an update without a version', code: 'BAD_METADATA', send: update(GOOD, { version: 0 }) },
  { what: 'an update of a generation to come', code: 'BAD_METADATA', send: update(GOOD, { generation: 9 }) },
  {
    what: 'a command to the log',
    code: 'BAD_MESSAGE_TYPE',
    send: update(encodeControlPayload({ op: 'barrier', generation: 2, reason: 'deleted' })),
  },
  { what: 'a message type of the server', code: 'BAD_MESSAGE_TYPE', send: update(hex('02 00 02 6e6f')) },
  { what: 'a message type of the future', code: 'BAD_ENVELOPE', send: update(hex('09 00')) },
  {
    what: 'awareness that is no JSON',
    code: 'BAD_AWARENESS',
    send: frame((client) => client.frameOf(ADDRESS, encodeAwarenessPayload(hex('01 05 01 02 7b7b')))),
  },
  { what: 'a document name of 3 kB', code: 'BAD_ID', send: unreadable({ docId: 'x'.repeat(3_000) }) },
  {
    what: 'a document name of 10 kB',
    code: 'METADATA_TOO_LARGE',
    send: unreadable({ docId: 'x'.repeat(10_240) }),
  },
  {
    what: 'a document name with control characters',
    code: 'BAD_ID',
    send: unreadable({ docId: 'a\u0007b' }),
  },
  {
    what: 'a frame beyond the limit',
    code: 'FRAME_TOO_LARGE',
    send: frame((client) => client.frameOf(ADDRESS, updatePayload(new Uint8Array(MAX_FRAME_BYTES)))),
  },
  {
    what: 'an update beyond the limit, in chunks',
    code: 'UPDATE_TOO_LARGE',
    send: (client) => ({
      ...update(updatePayload(new Uint8Array(MAX_UPDATE_BYTES + 1)))(client),
      message: `The update exceeds the limit of ${MAX_UPDATE_BYTES} bytes.`,
    }),
  },
  {
    what: 'chunks without an end',
    code: 'UPDATE_TOO_LARGE',
    send: (client) => {
      for (let index = 0; index < 12; index++) {
        client.send(encodeChunk({ id: 1, index, count: 1e9, bytes: new Uint8Array(MAX_FRAME_BYTES - 64) }));
      }
    },
  },
  {
    what: 'a chunk out of order',
    code: 'BAD_CHUNK',
    send: frame(() => encodeChunk({ id: 1, index: 5, count: 9, bytes: hex('00') })),
  },
];
