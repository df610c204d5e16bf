import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  createMetadata,
  decodeKafkaEnvelope,
  documentKey,
  encodeKafkaEnvelope,
  encodeSyncPayload,
  parseDocumentKey,
  SyncMessageType,
} from '../../lib/protocol/index.ts';
import type { Stream } from '../../lib/stream/port.ts';
import { toHex } from '../support/hex.ts';
import { openAdmin, openStream, sharedBrokers } from './support/kafka-harness.ts';

describe('envelopes through a real Kafka', () => {
  const topic = `envelopes-${randomUUID()}`;
  let stream: Stream;

  beforeAll(async () => {
    stream = await openStream(sharedBrokers());
    await stream.ensureTopics([{ topic, kind: 'doc', partitions: 1 }]);
  });
  afterAll(async () => {
    await stream.close();
    const admin = await openAdmin(sharedBrokers());
    await admin.deleteTopics({ topics: [topic] });
    await admin.disconnect();
  });

  it('come back byte for byte, with keys that name the same document', async () => {
    const documents = [
      { tenantId: 'default', roomId: 'Raum/ä %', docId: '🦊' },
      { tenantId: 'default', roomId: 'Raum', docId: 'ä %/🦊', subdocId: 'x'.repeat(128) },
    ];
    const records = documents.flatMap((id, at) =>
      [0, 1, 300, 100_000].map((length, i) => {
        const update = Uint8Array.from({ length }, (_, byte) => (byte * 7) & 0xff);
        const metadata = createMetadata({ ...id, senderId: 's', version: 4 * at + i + 1, timestamp: 5 });
        const value = encodeKafkaEnvelope(metadata, encodeSyncPayload(SyncMessageType.Update, update));
        return { key: documentKey(id), value, headers: {} };
      }),
    );
    await stream.append({ topic, partition: 0 }, records);
    const toOffset = await stream.endOffset({ topic, partition: 0 });
    const read = await stream.read({ topic, partition: 0, fromOffset: 0, toOffset, maxBytes: 1 << 20 });
    expect(read.records.map(({ value }) => toHex(value))).toEqual(records.map(({ value }) => toHex(value)));
    for (const [i, { key, value }] of read.records.entries()) {
      const { metadata, payload } = decodeKafkaEnvelope(value);
      const document = documents[Math.floor(i / 4)]!;
      expect(parseDocumentKey(key)).toEqual(document);
      expect(metadata).toEqual({ v: 1, ...document, senderId: 's', version: i + 1, timestamp: 5 });
      expect(payload.buffer).toBe(value.buffer);
    }
  });
});
