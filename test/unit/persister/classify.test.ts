import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { classifyRecord } from '../../../lib/persister/classify.ts';
import { encodeKafkaEnvelope, encodeSyncPayload } from '../../../lib/protocol/envelope.ts';
import { documentKey } from '../../../lib/protocol/ids.ts';
import { DEFAULT_LIMITS } from '../../../lib/protocol/limits.ts';
import { SyncMessageType } from '../../../lib/protocol/message-types.ts';
import { createMetadata } from '../../../lib/protocol/metadata.ts';
import type { IncomingBarrier } from '../../../lib/store/port.ts';
import type { StreamRecord } from '../../../lib/stream/port.ts';
import { barrierRecord, delivered, document, isDecodable, updateRecord, yUpdate } from './records.ts';

const classify = (record: StreamRecord, offset = 7) =>
  classifyRecord(delivered(record, offset), { limits: DEFAULT_LIMITS, isDecodable });

const controlOf = (json: string): StreamRecord => {
  const text = new TextEncoder().encode(json);
  const payload = Uint8Array.of(4, text.byteLength, ...text);
  const metadata = createMetadata({ ...document, senderId: 's', version: 0 });
  return { key: documentKey(document), value: encodeKafkaEnvelope(metadata, payload), headers: {} };
};

describe('classifyRecord', () => {
  it('reads an update with what the gateway stamped', () => {
    const record = updateRecord({ version: 3, extra: { userId: 'u', generation: 4, mine: [1] } });
    expect(classify(record)).toEqual({
      kind: 'update',
      offset: 7,
      document,
      generation: 4,
      senderId: 'sender',
      clientVersion: 3,
      userId: 'u',
      atMs: 1_790_000_000_000,
      metadata: expect.objectContaining({ mine: [1], docId: 'doc' }),
      payload: new Uint8Array(yUpdate()),
    });
  });

  it('reads the connection and the address beside the envelope; what is none is left out', () => {
    const record = updateRecord({ version: 1, extra: { connectionId: 'forged', clientAddress: 'forged' } });
    const withHeaders = (headers: Record<string, string>) =>
      classify({ ...record, headers: { ...record.headers, ...headers } });
    expect(withHeaders({ i: 'c1', a: '2001:db8::1' })).toMatchObject({
      connectionId: 'c1',
      clientAddress: '2001:db8::1',
    });
    for (const odd of [{}, { i: '', a: '\u0000' }, { i: 'x'.repeat(200), a: 'two words' }]) {
      const update = withHeaders(odd as Record<string, string>);
      expect(update).not.toHaveProperty('connectionId');
      expect(update).not.toHaveProperty('clientAddress');
    }
  });

  it('reads step2 as an update, a subdocument as a document of its own', () => {
    const of = { ...document, subdocId: 'sub/ü' };
    expect(classify(updateRecord({ version: 1, type: SyncMessageType.Step2, of }))).toMatchObject({
      kind: 'update',
      document: of,
    });
  });

  it('takes the time of the log when the writer has none that is a time', () => {
    for (const timestamp of [-1, 1e300])
      expect(classify(updateRecord({ version: 1, extra: { timestamp } }))).toMatchObject({
        atMs: 1_790_000_000_500,
      });
    expect(classify(updateRecord({ version: 1, extra: { receivedAt: 12.9 } }))).toMatchObject({ atMs: 12 });
  });

  it('takes a record without headers by its metadata', () => {
    expect(classify({ ...updateRecord({ version: 2 }), headers: {} })).toMatchObject({
      kind: 'update',
      clientVersion: 2,
    });
  });

  it('reads a barrier', () => {
    expect(classify(barrierRecord(5))).toEqual({
      kind: 'barrier',
      offset: 7,
      document,
      generation: 5,
      reason: 'restored',
      origin: { senderId: 'server', atMs: expect.any(Number) },
    });
  });

  it('reads which operation wrote a barrier; what it cannot read of that makes it no less a barrier', () => {
    const barrier = '"op":"barrier","generation":2,"reason":"deleted"';
    expect(classify(controlOf(`{${barrier},"key":"k 1","parts":3}`))).toMatchObject({
      kind: 'barrier',
      origin: { key: 'k 1', parts: 3 },
    });
    const odd = classify(controlOf(`{${barrier},"key":{},"parts":"many"}`));
    expect(odd).toMatchObject({ kind: 'barrier', generation: 2 });
    expect(Object.keys((odd as IncomingBarrier).origin!)).toEqual(['senderId', 'atMs']);
  });

  it('passes over a command of a newer version', () => {
    expect(classify(controlOf('{"op":"new-thing"}'))).toBeUndefined();
  });

  it.each<[string, () => StreamRecord]>([
    ['bad-key', () => ({ ...updateRecord({ version: 1 }), key: 'one-part' })],
    ['bad-key', () => ({ ...updateRecord({ version: 1 }), key: 't/room/do%00c' })],
    ['key-contradicts-metadata', () => ({ ...updateRecord({ version: 1 }), key: 't/room/other' })],
    ['key-contradicts-metadata', () => updateRecord({ version: 1, extra: { tenantId: 'other' } })],
    ['key-contradicts-metadata', () => updateRecord({ version: 1, extra: { subdocId: 'sub' } })],
    ['headers-contradict-metadata', () => ({ ...updateRecord({ version: 1 }), headers: { s: 'forged' } })],
    ['headers-contradict-metadata', () => ({ ...updateRecord({ version: 1 }), headers: { c: '01' } })],
    ['headers-contradict-metadata', () => ({ ...updateRecord({ version: 1 }), headers: { g: '2' } })],
    ['BAD_ENVELOPE', () => ({ ...updateRecord({ version: 1 }), value: new Uint8Array() })],
    ['UNSUPPORTED_VERSION', () => updateRecord({ version: 1, extra: { v: 2 } })],
    ['METADATA_TOO_LARGE', () => updateRecord({ version: 1, extra: { x: 'x'.repeat(5000) } })],
    ['BAD_UPDATE', () => updateRecord({ version: 1, update: Uint8Array.of(255, 255, 255) })],
    ['question-in-log', () => updateRecord({ version: 1, type: SyncMessageType.Step1 })],
    ['BAD_ENVELOPE', () => controlOf('not json')],
    [
      'unexpected-message-type',
      () => ({
        ...updateRecord({ version: 1 }),
        value: encodeKafkaEnvelope(
          createMetadata({ ...document, senderId: 'sender', version: 1, generation: 1 }),
          Uint8Array.of(1, 0),
        ),
      }),
    ],
    [
      'BAD_ENVELOPE',
      () => {
        const metadata = createMetadata({ ...document, senderId: 's', version: 1 });
        const payload = encodeSyncPayload(SyncMessageType.Update, yUpdate());
        const value = encodeKafkaEnvelope(metadata, Uint8Array.of(...payload, 0));
        return { key: documentKey(document), value, headers: {} };
      },
    ],
  ])('quarantines with its bytes: %s', (reason, make) => {
    const record = make();
    const found = classify(record);
    expect(found).toMatchObject({ kind: 'quarantine', reason, offset: 7, key: record.key });
    expect(found).toHaveProperty('value', record.value);
  });

  it('never throws, whatever the bytes', () => {
    const good = updateRecord({ version: 1 });
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        fc.array(fc.tuple(fc.nat(good.value.length - 1), fc.nat(255)), { maxLength: 4 }),
        (random, changes) => {
          const mutated = good.value.slice();
          for (const [at, byte] of changes) mutated[at] = byte;
          for (const value of [random, mutated]) classify({ ...good, value });
        },
      ),
      { seed: 1, numRuns: 3000 },
    );
  });
});
