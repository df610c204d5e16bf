import { describe, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import * as Y from 'yjs';
import {
  ChunkAssembler,
  createMetadata,
  decodeAwarenessUpdate,
  decodeClientFrame,
  decodeServerFrame,
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
  ProtocolCodecContext,
  SyncMessageType,
  tryDecodeAwareness,
  tryDecodeControl,
  tryDecodeEnvelope,
  tryDecodeMetadata,
  tryDecodeSync,
  yjsOperations,
  type DocumentOperations,
} from '../../../lib/protocol/index.ts';
import { hex } from '../../support/hex.ts';

// Seconds of CPU, which other test processes may share.
jest.setTimeout(120_000);

/** A document that takes anything: what is tried here is our reading, not Yjs. */
const anyDocument: DocumentOperations = {
  applyUpdate: () => undefined,
  encodeStateAsUpdate: () => new Uint8Array(2),
  encodeStateVector: () => new Uint8Array(1),
};
const context = new ProtocolCodecContext({ doc: anyDocument });

function assemble(bytes: Uint8Array): { ok: boolean } {
  const assembler = new ChunkAssembler(bytes.byteLength);
  const frame = decodeClientFrame(bytes);
  if (!frame.ok || frame.value.kind !== 3) return frame;
  return assembler.add(frame.value.chunk);
}

const DECODERS: Record<string, (bytes: Uint8Array) => { ok: boolean }> = {
  clientFrame: decodeClientFrame,
  serverFrame: decodeServerFrame,
  envelope: tryDecodeEnvelope,
  metadata: tryDecodeMetadata,
  sync: tryDecodeSync,
  awarenessContent: tryDecodeAwareness,
  awarenessUpdate: decodeAwarenessUpdate,
  control: tryDecodeControl,
  chunk: assemble,
  context: (bytes) => context.handle(bytes),
};

const metadata = createMetadata({
  roomId: 'room',
  docId: 'doc',
  subdocId: 'sub',
  senderId: 'f'.repeat(32),
  version: 77,
  timestamp: 1_700_000_000_000,
  generation: 1,
});
const yjsUpdate = hex('01 01 01 00 04 01 01 74 01 61 00');
const updatePayload = encodeSyncPayload(SyncMessageType.Update, yjsUpdate);
const envelope = encodeKafkaEnvelope(metadata, updatePayload);
const awareness = encodeAwarenessUpdate([
  { clientId: 4_000_000_000, clock: 3, state: '{"user":{"name":"ä"},"cursor":[1,2.5e3,null,true]}' },
  { clientId: 1, clock: 9, state: 'null' },
]);
const address = { roomId: 'room', docId: 'doc' };
const position = { generation: 1, epoch: 3, partition: 12, offset: 70_000 };

/** Valid inputs that are then damaged. */
const SEEDS: Uint8Array[] = [
  envelope,
  updatePayload,
  updatePayload.subarray(1),
  awareness,
  encodeAwarenessPayload(awareness),
  encodeAwarenessPayload(awareness).subarray(1),
  encodeControlPayload({ op: 'barrier', generation: 2, reason: 'restored' }),
  encodeControlPayload({ op: 'barrier', generation: 2, reason: 'restored' }).subarray(1),
  encodeClientEntries([envelope, envelope]),
  encodeEntries([{ position, previous: 69_000, envelope }]),
  encodeEphemeral([encodeKafkaEnvelope(metadata, encodeAwarenessPayload(awareness))]),
  encodeAcks(address, [{ version: 300, position, previous: -1 }]),
  encodeState(
    {
      ...address,
      join: 1,
      position,
      kind: 'delta',
      appended: [
        [1, 7],
        [9, 9],
      ],
    },
    updatePayload,
  ),
  encodeChunk({ id: 3, index: 0, count: 1, bytes: envelope }),
];

interface Damage {
  seed: number;
  edits: { at: number; byte: number; how: 'set' | 'insert' | 'remove' }[];
  cut: number;
}

const damage: fc.Arbitrary<Damage> = fc.record({
  seed: fc.nat(SEEDS.length - 1),
  edits: fc.array(
    fc.record({
      at: fc.nat(400),
      byte: fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 0x7f, 0x80, 0xff, 0x22, 0x7b, 0x5b)),
      how: fc.constantFrom('set' as const, 'insert' as const, 'remove' as const),
    }),
    { maxLength: 4 },
  ),
  cut: fc.oneof(fc.constant(Infinity), fc.nat(400)),
});

function damaged({ seed, edits, cut }: Damage): Uint8Array {
  const bytes = [...SEEDS[seed]!];
  for (const { at, byte, how } of edits) {
    const index = at % (bytes.length + 1);
    if (how === 'set') bytes[index] = byte;
    else if (how === 'insert') bytes.splice(index, 0, byte);
    else bytes.splice(index, 1);
  }
  return Uint8Array.from(bytes.slice(0, cut));
}

const views = (value: unknown, found: Uint8Array[] = []): Uint8Array[] => {
  if (value instanceof Uint8Array) found.push(value);
  else if (typeof value === 'object' && value !== null)
    for (const inner of Object.values(value)) views(inner, found);
  return found;
};

/** In the middle of a larger buffer, as a socket hands it out: nothing beside it may be reached. */
const pooled = new Uint8Array(64 * 1024);
function inPool(bytes: Uint8Array): Uint8Array {
  pooled.set(bytes, 1_000);
  return pooled.subarray(1_000, 1_000 + bytes.byteLength);
}

function readAll(bytes: Uint8Array): void {
  const input = inPool(bytes);
  for (const [name, decode] of Object.entries(DECODERS)) {
    const result = decode(input);
    for (const view of views(result)) {
      if (view.buffer !== pooled.buffer) continue; // the assembler and the context make bytes of their own
      if (view.byteOffset < 1_000 || view.byteOffset + view.byteLength > 1_000 + bytes.byteLength)
        throw new Error(`${name} hands out bytes beyond its input`);
    }
  }
}

describe('every decoder, on every input', () => {
  it('never throws and hands out no byte beyond the input: 50,000 random inputs', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.constantFrom(0, 1, 3, 4, 5, 6), (bytes, first) => {
        if (bytes.byteLength > 0) bytes[0] = first;
        readAll(bytes);
      }),
      { seed: 1, numRuns: 50_000 },
    );
  });

  it('never throws and hands out no byte beyond the input: 50,000 damaged ones', () => {
    fc.assert(
      fc.property(damage, (how) => readAll(damaged(how))),
      { seed: 1, numRuns: 50_000 },
    );
  });

  it('takes what is no bytes for a bad frame', () => {
    for (const value of ['text', 5, null, undefined, {}, [1, 2]]) {
      expect(decodeClientFrame(value as unknown as Uint8Array).ok).toBe(false);
      expect(decodeServerFrame(value as unknown as Uint8Array).ok).toBe(false);
    }
  });

  it('reports what Yjs throws on 3,000 damaged updates', () => {
    const source = new Y.Doc({ guid: 'x' });
    source.getText('t').insert(0, 'hello');
    source.getMap('m').set('k', { a: [1, 'two', new Uint8Array(3)] });
    const update = Y.encodeStateAsUpdate(source);
    fc.assert(
      fc.property(fc.nat(update.byteLength - 1), fc.nat(255), (at, byte) => {
        const bytes = update.slice();
        bytes[at] = byte;
        const holder = new ProtocolCodecContext({ doc: yjsOperations(new Y.Doc({ guid: 'y' })) });
        const result = holder.handle(encodeSyncPayload(SyncMessageType.Update, bytes));
        expect(result.ok || result.failure.code === 'BAD_UPDATE').toBe(true);
      }),
      { seed: 1, numRuns: 3_000 },
    );
  });
});
