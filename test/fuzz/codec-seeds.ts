import * as Y from 'yjs';
import {
  createMetadata,
  encodeAcks,
  encodeAwarenessPayload,
  encodeAwarenessUpdate,
  encodeChunk,
  encodeClientEntries,
  encodeControlPayload,
  encodeEntries,
  encodeEphemeral,
  encodeKafkaEnvelope,
  encodeState,
  encodeSyncPayload,
  joinEnvelope,
  splitFrame,
  SyncMessageType,
} from '../../lib/protocol/index.ts';
import { joined } from './mutate-bytes.ts';

/** Sound bytes of each kind, small, so that what is damaged in them matters. */
const text = (value: string) => new TextEncoder().encode(value);
const address = { roomId: 'room', docId: 'doc', subdocId: 'sub' };
const position = { generation: 1, epoch: 3, partition: 12, offset: 70_000 };

const metadata = createMetadata({ ...address, senderId: 's', version: 7, timestamp: 1.7e12, generation: 1 });
const plain = createMetadata({ docId: 'd', senderId: 's', version: 1, timestamp: 0 });
const deep = { ...plain, deep: [[[[{ a: { b: [null, true, false, -1.5e3, 'ä\n"'] } }]]]] };
const wide = { ...plain, wide: Array.from({ length: 240 }, (_, i) => ({ [`k${i}`]: i })) };
/** As deep and as many as is read only in this spelling. */
const deepest = `{"docId":"d","senderId":"s","version":1,"timestamp":0,"x":${'['.repeat(450)}${']'.repeat(450)}}`;
const spaced = JSON.stringify({ ...plain, ...Object.fromEntries(wideKeys(256)) })
  .padEnd(3800)
  .replace(/}( +)$/, '$1}');
const long = { ...plain, long: 'x'.repeat(1100) };

function wideKeys(count: number): [string, number][] {
  return Array.from({ length: count }, (_, i) => [`k${i}`, 1]);
}

function yUpdates(): Uint8Array[] {
  const doc = new Y.Doc({ guid: 'seed' });
  doc.clientID = 5;
  const made: Uint8Array[] = [];
  doc.on('update', (update: Uint8Array) => made.push(update));
  doc.getText('t').insert(0, 'hello');
  doc.getText('t').format(1, 2, { bold: true });
  doc.getText('t').delete(0, 2);
  doc.getMap('m').set('k', { at: 2n ** 60n, bytes: Uint8Array.of(1, 2) });
  doc.getMap('m').set('d', new Y.Doc({ guid: 'child' }));
  doc.getXmlFragment('x').insert(0, [new Y.XmlElement('p')]);
  doc.getArray('a').insert(0, [1, 'two', null, -1.5, [3]]);
  return [...made, Y.encodeStateAsUpdate(doc), Y.mergeUpdates([made[0]!, made.at(-1)!]), Uint8Array.of(0, 0)];
}

export const updates = yUpdates();
export const stateVectors = [
  Uint8Array.of(0),
  ...updates.slice(0, 3).map((update) => Y.encodeStateVectorFromUpdate(update)),
];
export const payloads = [
  ...[updates[0]!, updates.at(-3)!].map((update) => encodeSyncPayload(SyncMessageType.Update, update)),
  encodeSyncPayload(SyncMessageType.Step2, updates[1]!),
  encodeSyncPayload(SyncMessageType.Step1, stateVectors[1]!),
];
export const awareness = encodeAwarenessUpdate([
  { clientId: 4_000_000_000, clock: 3, state: '{"user":{"name":"ä"},"cursor":[1,2.5e3,null,true]}' },
  { clientId: 1, clock: 9, state: 'null' },
]);
export const controls = [
  encodeControlPayload({ op: 'barrier', generation: 2, reason: 'restored', key: 'k', parts: 3 }),
  encodeControlPayload({ op: 'barrier', generation: 9, reason: 'deleted' }),
  encodeControlPayload({ op: 'unknown' }),
];
/** Message type and content of everything that a payload can be. */
export const contents = [
  ...payloads,
  encodeAwarenessPayload(awareness),
  ...controls,
  text('\u0002\0\u0003no!'),
];
export const envelopes = [
  ...contents.map((payload) => encodeKafkaEnvelope(metadata, payload)),
  ...[plain, deep, wide, long].map((found) => encodeKafkaEnvelope(found, payloads[0]!)),
  ...[deepest, spaced].map((json) => joinEnvelope(text(json), payloads[0]!)),
];
export const jsons = [
  deep,
  wide,
  long,
  {
    ...address,
    position,
    appended: [
      [1, 4],
      [7, 7],
    ],
  },
].map((value) => text(JSON.stringify(value)));
export const clientFrames = [
  encodeClientEntries([envelopes[0]!]),
  encodeClientEntries(envelopes.slice(0, 3)),
  encodeChunk({ id: 3, index: 1, count: 4, bytes: envelopes[0]! }),
];
const state = encodeState(
  {
    ...address,
    join: 1,
    position,
    kind: 'delta',
    appended: [
      [1, 7],
      [9, 9],
    ],
    through: 70_001,
  },
  payloads[0]!,
);
export const serverFrames = [
  encodeEntries(
    [0, 1].map((offset) => ({
      position: { ...position, offset },
      previous: offset - 1,
      envelope: envelopes[0]!,
    })),
  ),
  encodeEphemeral([envelopes[4]!]),
  encodeAcks(
    address,
    [1, 2].map((version) => ({ version, position, previous: -1 })),
  ),
  encodeAcks({ roomId: 'r', docId: 'd' }, []),
  state,
  clientFrames[2]!,
];
/** Frames one behind the other, a length of two bytes before each. */
export const frameLists = [
  inFields([...splitFrame(clientFrames[1]!, 5, 300)]),
  inFields([...splitFrame(state, 1, 100), ...splitFrame(state, 2, 100)]),
];
/** Key, value, and headers in turns. */
export const records = envelopes.map((envelope) =>
  inFields([text('t/room/doc/sub'), envelope, ...['s', 's', 'c', '7', 'g', '1', 't', '0'].map(text)]),
);
export const keys = ['t/room/doc', 't/room/doc/sub', 't/%C3%A4%20%2F/d', '%/a/b'].map(text);

function inFields(fields: readonly Uint8Array[]): Uint8Array {
  return joined(
    fields.flatMap((field) => [Uint8Array.of(field.byteLength & 0xff, field.byteLength >>> 8), field]),
  );
}

/** The reverse of `inFields`; a length that lies gives what there is. */
export function fieldsOf(bytes: Uint8Array): Uint8Array[] {
  const fields: Uint8Array[] = [];
  for (let at = 0; at + 2 <= bytes.byteLength;) {
    const length = bytes[at]! | (bytes[at + 1]! << 8);
    fields.push(bytes.subarray(at + 2, at + 2 + length));
    at += 2 + length;
  }
  return fields;
}
