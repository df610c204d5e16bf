import { describe, expect, it } from '@jest/globals';
import {
  createMetadata,
  decodeKafkaEnvelope,
  decodeMetadata,
  DEFAULT_LIMITS,
  encodeKafkaEnvelope,
  FORMAT_VERSION,
  ProtocolError,
  tryDecodeControl,
  tryDecodeEnvelope,
  tryDecodeMetadata,
  tryDecodeSync,
  validateMetadata,
} from '../../../lib/protocol/index.ts';
import { ascii, hex, toHex } from '../../support/hex.ts';

const METADATA = createMetadata({
  roomId: 'room',
  docId: 'doc',
  senderId: 'sender',
  version: 3,
  timestamp: 5,
});
const PAYLOAD = hex('00 02 02 0000');

/** An envelope with this JSON, whatever it is. */
function envelopeOf(json: string, payload = PAYLOAD): Uint8Array {
  const bytes = Buffer.from(json, 'utf8');
  const length = Buffer.alloc(2);
  length.writeUInt16LE(bytes.byteLength);
  return new Uint8Array(Buffer.concat([length, bytes, payload]));
}

const codeOf = (result: ReturnType<typeof tryDecodeEnvelope> | ReturnType<typeof tryDecodeMetadata>) =>
  result.ok ? 'ok' : result.failure.code;

describe('the envelope', () => {
  it('hands the payload out as a view on the input', () => {
    const pooled = new Uint8Array(4096);
    const envelope = encodeKafkaEnvelope(METADATA, PAYLOAD);
    pooled.set(envelope, 100);
    const { payload } = decodeKafkaEnvelope(pooled.subarray(100, 100 + envelope.byteLength));
    expect(payload.buffer).toBe(pooled.buffer);
    expect(toHex(payload)).toBe(toHex(PAYLOAD));
    expect(payload.byteOffset).toBe(100 + envelope.byteLength - PAYLOAD.byteLength);
  });

  it('reads metadata without touching a byte behind the JSON', () => {
    const envelope = encodeKafkaEnvelope(METADATA, PAYLOAD);
    const end = envelope.byteLength - PAYLOAD.byteLength;
    const touched: number[] = [];
    const watched = new Proxy(envelope, {
      get(target, key) {
        if (typeof key === 'string' && /^\d+$/.test(key)) touched.push(Number(key));
        const value: unknown = Reflect.get(target, key, target);
        return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value;
      },
    });
    expect(decodeMetadata(watched)).toEqual(METADATA);
    expect(touched.every((index) => index < end)).toBe(true);
    expect(decodeMetadata(envelope.subarray(0, end))).toEqual(METADATA);
    expect(decodeMetadata(Buffer.concat([envelope.subarray(0, end), hex('ff ff ff')]))).toEqual(METADATA);
  });

  it('keeps unknown keys and every character of the ids', () => {
    const metadata = { ...METADATA, roomId: 'Raum/ä%20', docId: '🦊', later: { x: [1, null] } };
    expect(decodeMetadata(encodeKafkaEnvelope(metadata, PAYLOAD))).toEqual(metadata);
  });

  it.each([
    ['nothing', hex('')],
    ['one byte', hex('05')],
    ['a length beyond the input', hex('ff00 7b7d')],
    ['no payload', envelopeOf(JSON.stringify(METADATA), hex(''))],
    ['an unknown message type', envelopeOf(JSON.stringify(METADATA), hex('05 00'))],
    ['a message type cut off', envelopeOf(JSON.stringify(METADATA), hex('80'))],
    ['a message type longer than needed', envelopeOf(JSON.stringify(METADATA), hex('8000'))],
  ])('refuses %s', (_what, bytes) => {
    expect(codeOf(tryDecodeEnvelope(bytes))).toBe('BAD_ENVELOPE');
    expect(() => decodeKafkaEnvelope(bytes)).toThrow(ProtocolError);
  });

  it('refuses metadata beyond its limit before reading it', () => {
    const envelope = envelopeOf(
      JSON.stringify({ ...METADATA, x: 'y'.repeat(DEFAULT_LIMITS.maxMetadataBytes) }),
    );
    expect(codeOf(tryDecodeMetadata(envelope))).toBe('METADATA_TOO_LARGE');
    expect(() => encodeKafkaEnvelope({ ...METADATA, x: 'y'.repeat(65_536) }, PAYLOAD)).toThrow(
      expect.objectContaining({ code: 'METADATA_TOO_LARGE' }),
    );
  });

  it('takes the older layout, with the message type first, for what it is: unreadable', () => {
    const older = hex(`00 4900 ${ascii(JSON.stringify(METADATA))} 02 02 0000`);
    expect(tryDecodeEnvelope(older).ok).toBe(false);
  });
});

describe('metadata', () => {
  const withField = (field: Record<string, unknown>) =>
    validateMetadata(JSON.parse(JSON.stringify({ ...METADATA, ...field })));

  it('fills in what may be left out', () => {
    expect(createMetadata({ docId: 'd', senderId: 's', version: 0 })).toMatchObject({
      v: FORMAT_VERSION,
      roomId: 'd',
      docId: 'd',
    });
    const { roomId: _left, v: _out, ...short } = METADATA;
    expect(tryDecodeMetadata(envelopeOf(JSON.stringify(short)))).toEqual({
      ok: true,
      value: { ...METADATA, roomId: 'doc' },
    });
  });

  it('does not let a null subdocument pass for one', () => {
    const result = withField({ subdocId: null });
    expect(result.ok && Object.hasOwn(result.value, 'subdocId')).toBe(false);
    expect(result.ok).toBe(true);
  });

  it('does not let a key named __proto__ change anything else', () => {
    const json = JSON.stringify(METADATA).replace('{', '{"__proto__":{"tenantId":"other"},');
    const metadata = decodeMetadata(envelopeOf(json));
    expect(metadata.tenantId).toBeUndefined();
    expect(Object.getPrototypeOf(metadata)).toBe(Object.prototype);
  });

  it.each([
    ['UNSUPPORTED_VERSION', { v: FORMAT_VERSION + 1 }],
    ['BAD_METADATA', { v: 0 }],
    ['BAD_METADATA', { v: '1' }],
    ['BAD_METADATA', { version: -1 }],
    ['BAD_METADATA', { version: 1.5 }],
    ['BAD_METADATA', { version: undefined }],
    ['BAD_METADATA', { timestamp: 'now' }],
    ['BAD_METADATA', { generation: -1 }],
    ['BAD_METADATA', { traceparent: 7 }],
    ['BAD_ID', { docId: '' }],
    ['BAD_ID', { docId: 'a\nb' }],
    ['BAD_ID', { docId: '\ud800' }],
    ['BAD_ID', { docId: 'x'.repeat(129) }],
    ['BAD_ID', { docId: 'ä'.repeat(65) }],
    ['BAD_ID', { roomId: 5 }],
    ['BAD_ID', { subdocId: '' }],
    ['BAD_ID', { senderId: undefined }],
    ['BAD_ID', { userId: '' }],
    ['BAD_ID', { tenantId: {} }],
  ])('answers %s to %j', (code, field) => {
    expect(withField(field)).toMatchObject({ ok: false, failure: { code } });
  });

  it.each([
    ['no JSON', '{'],
    ['an array', '[]'],
    ['null', 'null'],
    ['a byte order mark', '\ufeff{}'],
    ['a tail', `${JSON.stringify(METADATA)}x`],
  ])('refuses %s', (_what, json) => {
    expect(codeOf(tryDecodeMetadata(envelopeOf(json)))).toBe('BAD_METADATA');
  });

  it('refuses bytes that are not UTF-8', () => {
    expect(codeOf(tryDecodeMetadata(hex('0300 7b ff 7d 00')))).toBe('BAD_METADATA');
  });

  it('refuses nesting on which stringify would overflow the stack', () => {
    const deep = `${'['.repeat(1_500)}${']'.repeat(1_500)}`;
    const json = JSON.stringify(METADATA).replace('}', `,"x":${deep}}`);
    expect(codeOf(tryDecodeMetadata(envelopeOf(json)))).toBe('BAD_METADATA');
  });
});

describe('payload contents', () => {
  it.each(['', '00', '00 02 00', '00 01', '03 01 00', '02 01 00 ff', '02 8000', '02 ffffffff0f 00'])(
    'refuses the sync content "%s"',
    (content) => {
      expect(tryDecodeSync(hex(content))).toMatchObject({ ok: false, failure: { code: 'BAD_ENVELOPE' } });
    },
  );

  it.each([
    ['no JSON', '01 7b'],
    ['null', `04 ${ascii('null')}`],
    ['no op', `02 ${ascii('{}')}`],
    ['a tail', `0e ${ascii('{"op":"later"}')} 00`],
    ['a barrier without a generation', `10 ${ascii('{"op":"barrier"}')}`],
    ['a length beyond the input', `7f ${ascii('{"op":"later"}')}`],
  ])('refuses control with %s', (_what, content) => {
    expect(tryDecodeControl(hex(content))).toMatchObject({ ok: false, failure: { code: 'BAD_ENVELOPE' } });
  });
});
