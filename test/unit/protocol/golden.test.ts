import { describe, expect, it } from '@jest/globals';
import * as Y from 'yjs';
import {
  createMetadata,
  decodeClientFrame,
  decodeKafkaEnvelope,
  decodeMessage,
  decodeMessageType,
  decodeMetadata,
  decodePayload,
  decodeServerFrame,
  encodeAcks,
  encodeAwarenessPayload,
  encodeChunk,
  encodeClientEntries,
  encodeControlPayload,
  encodeEntries,
  encodeEphemeral,
  encodeKafkaEnvelope,
  encodeMessage,
  encodePayload,
  encodeState,
  encodeSyncPayload,
  encodeSyncStep1,
  ProtocolMessageType,
  SyncMessageType,
  tryDecodeAwareness,
  tryDecodeControl,
  tryDecodeSync,
} from '../../../lib/protocol/index.ts';
import { ascii, hex, toHex } from '../../support/hex.ts';

// Every vector is written by hand from the layout in docs/protocol.md, never by the code under test.

const METADATA_JSON = '{"v":1,"roomId":"r","docId":"d","senderId":"s","version":1,"timestamp":0}';
const METADATA = createMetadata({ roomId: 'r', docId: 'd', senderId: 's', version: 1, timestamp: 0 });
// 73 bytes of JSON = 0x0049, little-endian
const ENVELOPE_HEAD = `4900 ${ascii(METADATA_JSON)}`;
// Y.Text named "t" of client 1 with "a" inserted at clock 0
const YJS_UPDATE = '01 01 01 00 04 01 01 74 01 61 00';
const UPDATE_PAYLOAD = `00 02 0b ${YJS_UPDATE}`;
const ENVELOPE = `${ENVELOPE_HEAD} ${UPDATE_PAYLOAD}`;
// 2 + 73 + 14 bytes
const ENVELOPE_LENGTH = '59';

const same = (encoded: Uint8Array, byHand: string) => expect(toHex(encoded)).toBe(toHex(hex(byHand)));

describe('envelopes, byte by byte', () => {
  it('begins with the length of the metadata, little-endian, then JSON, then the payload', () => {
    same(encodeKafkaEnvelope(METADATA, hex(UPDATE_PAYLOAD)), ENVELOPE);
    same(encodeMessage(METADATA, ProtocolMessageType.Sync, hex(`02 0b ${YJS_UPDATE}`)), ENVELOPE);
  });

  it('is read back', () => {
    const bytes = hex(ENVELOPE);
    expect(decodeMetadata(bytes)).toEqual(METADATA);
    expect(decodeMessageType(bytes)).toBe(ProtocolMessageType.Sync);
    same(decodePayload(bytes), UPDATE_PAYLOAD);
    const { metadata, payload, type, content } = decodeMessage(bytes);
    expect({ metadata, type }).toEqual({ metadata: METADATA, type: ProtocolMessageType.Sync });
    same(payload, UPDATE_PAYLOAD);
    same(content, `02 0b ${YJS_UPDATE}`);
    same(decodeKafkaEnvelope(bytes).payload, UPDATE_PAYLOAD);
  });

  it('writes a length above 255 with the low byte first', () => {
    const metadata = { ...METADATA, x: 'y'.repeat(300) };
    const json = METADATA_JSON.replace('}', `,"x":"${'y'.repeat(300)}"}`);
    // 73 + 307 = 380 = 0x017c
    same(encodeKafkaEnvelope(metadata, hex('03')), `7c01 ${ascii(json)} 03`);
  });
});

describe('payloads, byte by byte', () => {
  it('carries updates as y-protocols writes them, and Yjs reads them', () => {
    same(encodeSyncPayload(SyncMessageType.Update, hex(YJS_UPDATE)), UPDATE_PAYLOAD);
    const doc = new Y.Doc({ guid: 'x' });
    const sync = tryDecodeSync(hex(UPDATE_PAYLOAD).subarray(1));
    expect(sync).toMatchObject({ ok: true, value: { type: SyncMessageType.Update } });
    if (sync.ok) Y.applyUpdate(doc, sync.value.body);
    expect(doc.getText('t').toString()).toBe('a');
  });

  it('asks with an empty state vector', () => {
    same(encodeSyncStep1(METADATA, hex('00')), `${ENVELOPE_HEAD} 00 00 01 00`);
  });

  it('carries awareness, queries and control', () => {
    const awareness = '01 ac02 05 04 6e756c6c';
    same(encodeAwarenessPayload(hex(awareness)), `01 09 ${awareness}`);
    expect(tryDecodeAwareness(hex(`09 ${awareness}`))).toEqual({ ok: true, value: hex(awareness) });
    same(encodePayload(ProtocolMessageType.QueryAwareness, new Uint8Array()), '03');

    const barrier = { op: 'barrier', generation: 2, reason: 'deleted' } as const;
    const content = `32 ${ascii('{"op":"barrier","generation":2,"reason":"deleted"}')}`;
    same(encodeControlPayload(barrier), `04 ${content}`);
    expect(tryDecodeControl(hex(content))).toEqual({ ok: true, value: barrier });
    expect(tryDecodeControl(hex(`0e ${ascii('{"op":"later"}')}`))).toEqual({
      ok: true,
      value: { op: 'unknown' },
    });
  });
});

describe('frames, byte by byte', () => {
  // generation 1, epoch 1, partition 2, offset 300; the entry before it stands at 128 (written plus one)
  const AT = '01 01 02 ac02 8101';
  const position = { generation: 1, epoch: 1, partition: 2, offset: 300 };

  it('kind 1 to the server: envelopes', () => {
    const frame = `01 ${ENVELOPE_LENGTH} ${ENVELOPE} ${ENVELOPE_LENGTH} ${ENVELOPE}`;
    same(encodeClientEntries([hex(ENVELOPE), hex(ENVELOPE)]), frame);
    expect(decodeClientFrame(hex(frame))).toEqual({
      ok: true,
      value: { kind: 1, envelopes: [hex(ENVELOPE), hex(ENVELOPE)] },
    });
  });

  it('kind 1 to the client: position, previous, envelope', () => {
    const entries = [
      { position, previous: 128, envelope: hex(ENVELOPE) },
      { position: { ...position, offset: 0 }, previous: -1, envelope: hex(ENVELOPE) },
    ];
    const frame = `01 ${AT} ${ENVELOPE_LENGTH} ${ENVELOPE} 01 01 02 00 00 ${ENVELOPE_LENGTH} ${ENVELOPE}`;
    same(encodeEntries(entries), frame);
    expect(decodeServerFrame(hex(frame))).toEqual({ ok: true, value: { kind: 1, entries } });
  });

  it('kind 3: chunks', () => {
    const chunk = { id: 7, index: 1, count: 3, bytes: hex('aabb') };
    same(encodeChunk(chunk), '03 07 01 03 aabb');
    for (const decode of [decodeClientFrame, decodeServerFrame])
      expect(decode(hex('03 07 01 03 aabb'))).toEqual({ ok: true, value: { kind: 3, chunk } });
  });

  it('kind 4: acks', () => {
    const acks = [{ version: 9, position, previous: 128 }];
    same(encodeAcks({ roomId: 'r', docId: 'd' }, acks), `04 01 72 01 64 00 09 ${AT}`);
    expect(decodeServerFrame(hex(`04 01 72 01 64 00 09 ${AT}`))).toEqual({
      ok: true,
      value: { kind: 4, address: { roomId: 'r', docId: 'd' }, acks },
    });
    const address = { roomId: 'r', docId: 'd', subdocId: 'g' };
    same(encodeAcks(address, acks), `04 01 72 01 64 01 01 67 09 ${AT}`);
    expect(decodeServerFrame(hex(`04 01 72 01 64 01 01 67 09 ${AT}`))).toEqual({
      ok: true,
      value: { kind: 4, address, acks },
    });
  });

  it('kind 5: envelopes without a position', () => {
    same(encodeEphemeral([hex(ENVELOPE)]), `05 ${ENVELOPE_LENGTH} ${ENVELOPE}`);
    expect(decodeServerFrame(hex(`05 ${ENVELOPE_LENGTH} ${ENVELOPE}`))).toEqual({
      ok: true,
      value: { kind: 5, envelopes: [hex(ENVELOPE)] },
    });
  });

  it('kind 6: the answer to a join', () => {
    const json =
      '{"join":1,"roomId":"r","docId":"d","position":{"generation":1,"epoch":1,"partition":2,"offset":300},"kind":"full","appended":[[1,4]]}';
    const head = { join: 1, roomId: 'r', docId: 'd', position, kind: 'full', appended: [[1, 4]] } as const;
    // 133 bytes = 0x85 as a VarUint: 8501
    const frame = `06 8501 ${ascii(json)} 00 01 0b ${YJS_UPDATE}`;
    same(encodeState({ ...head, appended: [[1, 4]] }, hex(`00 01 0b ${YJS_UPDATE}`)), frame);
    expect(decodeServerFrame(hex(frame))).toEqual({
      ok: true,
      value: { kind: 6, head, payload: hex(`00 01 0b ${YJS_UPDATE}`) },
    });
  });
});
