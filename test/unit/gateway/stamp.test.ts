import { describe, expect, it } from '@jest/globals';
import { stampEnvelope } from '../../../lib/gateway/stamp.ts';
import {
  createMetadata,
  DEFAULT_LIMITS,
  encodeSyncPayload,
  joinEnvelope,
  SERVER_KEYS,
  tryDecodeEnvelope,
  unwrap,
  type Metadata,
} from '../../../lib/protocol/index.ts';

const payload = encodeSyncPayload(2, Uint8Array.of(0, 0));
const stamp = { identity: { tenantId: 't' }, generation: 3, wallTimeMs: 5 };

describe('stamping', () => {
  it('replaces what the server owns, also when there is nothing to stamp, and keeps unknown keys', () => {
    const forged = Object.fromEntries(SERVER_KEYS.map((key) => [key, 'forged']));
    const client = JSON.parse(
      JSON.stringify({
        ...createMetadata({ docId: 'd', senderId: 's', version: 1 }),
        ...forged,
        color: 'red',
      }),
    ) as Metadata;
    const envelope = unwrap(stampEnvelope({ metadata: client, payload }, stamp, DEFAULT_LIMITS));
    const read = unwrap(tryDecodeEnvelope(envelope));
    expect(read.metadata).toEqual({
      v: 1,
      roomId: 'd',
      docId: 'd',
      senderId: 's',
      version: 1,
      timestamp: 5,
      generation: 3,
      tenantId: 't',
      color: 'red',
    });
    expect(read.payload).toEqual(payload);
  });

  it('stamps the user of the connection', () => {
    const metadata = createMetadata({ docId: 'd', senderId: 's', version: 1, userId: 'somebody else' });
    const identity = { tenantId: 't', userId: 'u' };
    const envelope = unwrap(stampEnvelope({ metadata, payload }, { ...stamp, identity }, DEFAULT_LIMITS));
    expect(unwrap(tryDecodeEnvelope(envelope)).metadata.userId).toBe('u');
  });

  it('refuses metadata that only the stamp makes too large: no reader would take them', () => {
    const metadata = createMetadata({ docId: 'd', senderId: 's', version: 1 });
    metadata.note = 'x'.repeat(DEFAULT_LIMITS.maxMetadataBytes - JSON.stringify(metadata).length - 10);
    expect(stampEnvelope({ metadata, payload }, stamp, DEFAULT_LIMITS)).toMatchObject({
      ok: false,
      failure: { code: 'METADATA_TOO_LARGE' },
    });
  });

  // Found by the fuzzer's seeds: both were acked, and then nobody could read them.
  it.each([
    ['so deep that they are read only while they are short', `${'['.repeat(470)}${']'.repeat(470)}`, ''],
    ['with more keys than their length allows once the spaces are gone', '0', ' '.repeat(1700)],
  ])('refuses metadata %s', (_, deep, spaces) => {
    const keys = spaces && Array.from({ length: 256 }, (_key, i) => `"k${i}":1,`).join('');
    const text = `{${keys}"x":${deep},"docId":"d","senderId":"s","version":1,"timestamp":0${spaces}}`;
    const read = unwrap(tryDecodeEnvelope(joinEnvelope(new TextEncoder().encode(text), payload)));
    expect(stampEnvelope(read, stamp, DEFAULT_LIMITS)).toMatchObject({
      ok: false,
      failure: { code: 'BAD_METADATA' },
    });
  });

  it.each([
    ['U+0000', 'a\u0000b', false],
    ['a lone surrogate', 'a\ud83d', false],
    ['a lone surrogate in a key', 'key', false],
    ['an escape that is only text', 'a\\u0000b', true],
    ['an emoji', 'a\u{1f600}b', true],
  ])('metadata with %s: no store of text could keep some of them', (_, note, isTaken) => {
    const metadata = createMetadata({ docId: 'd', senderId: 's', version: 1 });
    metadata[note === 'key' ? '\udc00' : 'note'] = note;
    const stamped = stampEnvelope({ metadata, payload }, stamp, DEFAULT_LIMITS);
    expect(stamped.ok).toBe(isTaken);
    if (!stamped.ok) expect(stamped.failure.code).toBe('BAD_METADATA');
  });
});
