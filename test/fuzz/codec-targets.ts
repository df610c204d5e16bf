import * as Y from 'yjs';
import {
  ChunkAssembler,
  decodeAwarenessUpdate,
  decodeClientFrame,
  decodeServerFrame,
  decodeText,
  decoded,
  documentKey,
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
  exactBytes,
  failed,
  FrameKind,
  isStateVector,
  isValidId,
  parseBoundedJson,
  parseDocumentKey,
  ProtocolCodecContext,
  tryDecodeAwareness,
  tryDecodeControl,
  tryDecodeEnvelope,
  tryDecodeMetadata,
  tryDecodeSync,
  yjsOperations,
  type ClientFrame,
  type ServerFrame,
} from '../../lib/protocol/index.ts';
import { check, checkRoundTrip, embedded, read } from './codec-checks.ts';
import type { CodecTarget } from './codecs.ts';
import { serverTargets } from './codec-server-targets.ts';
import * as seeds from './codec-seeds.ts';

const MAX_FRAME_BYTES = 16 * 1024;

function encodeClientFrame(frame: ClientFrame): Uint8Array {
  return frame.kind === FrameKind.Chunk ? encodeChunk(frame.chunk) : encodeClientEntries(frame.envelopes);
}

function encodeServerFrame(frame: ServerFrame): Uint8Array {
  switch (frame.kind) {
    case FrameKind.Entries:
      return encodeEntries(frame.entries);
    case FrameKind.Chunk:
      return encodeChunk(frame.chunk);
    case FrameKind.Acks:
      return encodeAcks(frame.address, frame.acks);
    case FrameKind.Ephemeral:
      return encodeEphemeral(frame.envelopes);
    case FrameKind.State:
      return encodeState(frame.head, frame.payload);
  }
}

/** Frames in a row, as one connection brings them. */
function assemble(input: Uint8Array): void {
  const assembler = new ChunkAssembler(MAX_FRAME_BYTES);
  for (const field of seeds.fieldsOf(input)) {
    const frame = read(decodeClientFrame, field);
    if (frame?.kind !== FrameKind.Chunk) continue;
    const whole = assembler.add(frame.chunk);
    check(assembler.bytes <= Math.min(MAX_FRAME_BYTES, input.byteLength), 'more is held than has come');
    if (!whole.ok) check(assembler.bytes === 0, 'a refused chunk leaves something behind');
    else if (whole.value) {
      check(whole.value.byteLength <= MAX_FRAME_BYTES, 'the whole is larger than its bound');
      read(decodeServerFrame, whole.value);
    }
  }
}

function key(input: Uint8Array): void {
  const text = decodeText(embedded(input)) ?? new TextDecoder('latin1').decode(input);
  const id = parseDocumentKey(text);
  if (id) check(documentKey(id) === text, 'a key has two spellings');
  if (isValidId(text)) {
    const found = parseDocumentKey(
      documentKey({ tenantId: text, roomId: text, docId: text, subdocId: text }),
    );
    check(found?.docId === text && found.subdocId === text, 'an id is lost in its key');
  }
}

/** JSON.parse decides what is JSON; ours may refuse more, never take more. */
function json(input: Uint8Array): void {
  const bytes = embedded(input);
  const parsed = read((given) => {
    const found = parseBoundedJson(given);
    return found.ok ? decoded(found) : failed('BAD_METADATA');
  }, bytes);
  if (parsed) check(decodeText(bytes) !== undefined && isJson(decodeText(bytes)!), 'no JSON was taken');
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false; // that is the answer
  }
}

function stateVector(input: Uint8Array): void {
  if (isStateVector(embedded(input))) Y.decodeStateVector(exactBytes(embedded(input)));
}

function context(input: Uint8Array): void {
  const doc = new Y.Doc({ guid: 'fuzz' });
  const handled = new ProtocolCodecContext({ doc: yjsOperations(doc) }).handle(embedded(input));
  check(handled.ok || handled.failure.code.startsWith('BAD_'), 'a failure of another kind');
  doc.destroy();
}

const behindType = (payloads: readonly Uint8Array[]) => payloads.map((payload) => payload.subarray(1));

/** Every reader of bytes that come from outside. */
export const CODEC_TARGETS: readonly CodecTarget[] = [
  {
    name: 'envelope',
    seeds: seeds.envelopes,
    run: (input) =>
      checkRoundTrip(input, {
        decode: tryDecodeEnvelope,
        encode: ({ metadata, payload }) => encodeKafkaEnvelope(metadata, payload),
        // Numbers may get longer, spaces go: the stamp looks at it again (target `appended`).
        mayFail: ['METADATA_TOO_LARGE', 'BAD_METADATA'],
      }),
  },
  { name: 'metadata', seeds: seeds.envelopes, run: (input) => void read(tryDecodeMetadata, input) },
  { name: 'json', seeds: seeds.jsons, run: json },
  { name: 'key', seeds: seeds.keys, run: key },
  {
    name: 'clientFrame',
    seeds: seeds.clientFrames,
    run: (input) => checkRoundTrip(input, { decode: decodeClientFrame, encode: encodeClientFrame }),
  },
  {
    name: 'serverFrame',
    seeds: seeds.serverFrames,
    run: (input) => checkRoundTrip(input, { decode: decodeServerFrame, encode: encodeServerFrame }),
  },
  { name: 'chunks', seeds: seeds.frameLists, run: assemble },
  {
    name: 'sync',
    seeds: behindType(seeds.payloads),
    run: (input) =>
      checkRoundTrip(input, {
        decode: tryDecodeSync,
        encode: ({ type, body }) => encodeSyncPayload(type, body).subarray(1),
      }),
  },
  { name: 'stateVector', seeds: seeds.stateVectors, run: stateVector },
  {
    name: 'awarenessContent',
    seeds: behindType([encodeAwarenessPayload(seeds.awareness)]),
    run: (input) =>
      checkRoundTrip(input, {
        decode: tryDecodeAwareness,
        encode: (update) => encodeAwarenessPayload(update).subarray(1),
      }),
  },
  {
    name: 'awareness',
    seeds: [seeds.awareness],
    run: (input) => checkRoundTrip(input, { decode: decodeAwarenessUpdate, encode: encodeAwarenessUpdate }),
  },
  {
    name: 'control',
    seeds: behindType(seeds.controls),
    run: (input) =>
      checkRoundTrip(input, {
        decode: tryDecodeControl,
        encode: (message) => encodeControlPayload(message).subarray(1),
      }),
  },
  { name: 'context', seeds: seeds.contents, run: context },
  ...serverTargets,
];
