import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import { readBytes, readCount, readLengthPrefixed, readText } from './bytes.ts';
import { decoded, failed, type Decoded } from './failures.ts';
import { isValidId, type DocumentAddress } from './ids.ts';
import { isPosition, type Position } from './position.ts';
import type { VersionRanges } from './ranges.ts';

/** First byte of every `protocol-message` frame. 2 is reserved for a compact form. */
export const FrameKind = { Entries: 1, Chunk: 3, Acks: 4, Ephemeral: 5, State: 6 } as const;
export type FrameKind = (typeof FrameKind)[keyof typeof FrameKind];

/*
 * To the server
 *   Entries    1 | { VarUint length, envelope }*
 *   Chunk      3 | VarUint id, VarUint index, VarUint count, bytes      (the bytes of all chunks together are a frame)
 * To the client
 *   Entries    1 | { Position, VarUint previous+1, VarUint length, envelope }*     one document
 *   Chunk      3 | as above
 *   Acks       4 | Address, { VarUint version, Position, VarUint previous+1 }*     one document
 *   Ephemeral  5 | { VarUint length, envelope }*                                   awareness, auth: no position
 *   State      6 | VarString head (JSON, StateHead), payload                       the answer to a join
 *
 *   Position = VarUint generation, VarUint epoch, VarUint partition, VarUint offset
 *   Address  = VarString roomId, VarString docId, Uint8 0 | Uint8 1, VarString subdocId
 */

export interface Entry {
  position: Position;
  /** Offset of the document's entry delivered before this one in the gateway's follow; -1 = none. */
  previous: number;
  envelope: Uint8Array;
}

export interface Ack {
  version: number;
  position: Position;
  previous: number;
}

/** Says what a state frame is; its payload is a SyncStep2 with the merged updates. */
export interface StateHead extends DocumentAddress {
  /** The number that the `join` answer carried, or 0 for a resume by the gateway itself. */
  join: number;
  position: Position;
  /** full: replaces what the client believed of the server; delta: what came after the client's position. */
  kind: 'full' | 'delta';
  /** Versions of this client's sender found in the log up to `position`. */
  appended: VersionRanges;
}

export interface Chunk {
  id: number;
  index: number;
  count: number;
  bytes: Uint8Array;
}

export type ServerFrame =
  | { kind: typeof FrameKind.Entries; entries: Entry[] }
  | { kind: typeof FrameKind.Chunk; chunk: Chunk }
  | { kind: typeof FrameKind.Acks; address: DocumentAddress; acks: Ack[] }
  | { kind: typeof FrameKind.Ephemeral; envelopes: Uint8Array[] }
  | { kind: typeof FrameKind.State; head: StateHead; payload: Uint8Array };

export type ClientFrame =
  | { kind: typeof FrameKind.Entries; envelopes: Uint8Array[] }
  | { kind: typeof FrameKind.Chunk; chunk: Chunk };

function frameOf(kind: FrameKind, write: (encoder: encoding.Encoder) => void): Uint8Array {
  const encoder = encoding.createEncoder();
  encoding.writeUint8(encoder, kind);
  write(encoder);
  return encoding.toUint8Array(encoder);
}

function writePosition(encoder: encoding.Encoder, position: Position, previous: number): void {
  encoding.writeVarUint(encoder, position.generation);
  encoding.writeVarUint(encoder, position.epoch);
  encoding.writeVarUint(encoder, position.partition);
  encoding.writeVarUint(encoder, position.offset);
  encoding.writeVarUint(encoder, previous + 1);
}

export function encodeEntries(entries: readonly Entry[]): Uint8Array {
  return frameOf(FrameKind.Entries, (encoder) => {
    for (const { position, previous, envelope } of entries) {
      writePosition(encoder, position, previous);
      encoding.writeVarUint8Array(encoder, envelope);
    }
  });
}

function encodeEnvelopes(kind: FrameKind, envelopes: readonly Uint8Array[]): Uint8Array {
  return frameOf(kind, (encoder) => {
    for (const envelope of envelopes) encoding.writeVarUint8Array(encoder, envelope);
  });
}

export const encodeClientEntries = (envelopes: readonly Uint8Array[]) =>
  encodeEnvelopes(FrameKind.Entries, envelopes);
export const encodeEphemeral = (envelopes: readonly Uint8Array[]) =>
  encodeEnvelopes(FrameKind.Ephemeral, envelopes);

export function encodeAcks(address: DocumentAddress, acks: readonly Ack[]): Uint8Array {
  return frameOf(FrameKind.Acks, (encoder) => {
    encoding.writeVarString(encoder, address.roomId);
    encoding.writeVarString(encoder, address.docId);
    encoding.writeUint8(encoder, address.subdocId === undefined ? 0 : 1);
    if (address.subdocId !== undefined) encoding.writeVarString(encoder, address.subdocId);
    for (const ack of acks) {
      encoding.writeVarUint(encoder, ack.version);
      writePosition(encoder, ack.position, ack.previous);
    }
  });
}

export function encodeState(head: StateHead, payload: Uint8Array): Uint8Array {
  return frameOf(FrameKind.State, (encoder) => {
    encoding.writeVarString(encoder, JSON.stringify(head));
    encoding.writeUint8Array(encoder, payload);
  });
}

export function encodeChunk(chunk: Chunk): Uint8Array {
  return frameOf(FrameKind.Chunk, (encoder) => {
    encoding.writeVarUint(encoder, chunk.id);
    encoding.writeVarUint(encoder, chunk.index);
    encoding.writeVarUint(encoder, chunk.count);
    encoding.writeUint8Array(encoder, chunk.bytes);
  });
}

const badFrame = () => failed('BAD_FRAME');

function readPosition(decoder: decoding.Decoder): { position: Position; previous: number } | undefined {
  const generation = readCount(decoder);
  const epoch = readCount(decoder);
  const partition = readCount(decoder);
  const offset = readCount(decoder);
  const previous = readCount(decoder);
  if (generation === undefined || epoch === undefined || partition === undefined) return undefined;
  if (offset === undefined || previous === undefined) return undefined;
  return { position: { generation, epoch, partition, offset }, previous: previous - 1 };
}

function readEnvelopes(decoder: decoding.Decoder): Uint8Array[] | undefined {
  const envelopes: Uint8Array[] = [];
  while (decoding.hasContent(decoder)) {
    const envelope = readLengthPrefixed(decoder);
    if (envelope === undefined || envelope.byteLength === 0) return undefined;
    envelopes.push(envelope);
  }
  return envelopes.length > 0 ? envelopes : undefined;
}

function readEntries(decoder: decoding.Decoder): Entry[] | undefined {
  const entries: Entry[] = [];
  while (decoding.hasContent(decoder)) {
    const at = readPosition(decoder);
    const envelope = at && readLengthPrefixed(decoder);
    if (at === undefined || envelope === undefined) return undefined;
    entries.push({ ...at, envelope });
  }
  return entries.length > 0 ? entries : undefined;
}

function readChunk(decoder: decoding.Decoder): Chunk | undefined {
  const id = readCount(decoder);
  const index = readCount(decoder);
  const count = readCount(decoder);
  if (id === undefined || index === undefined || count === undefined || index >= count) return undefined;
  const bytes = readBytes(decoder, decoder.arr.byteLength - decoder.pos);
  return bytes === undefined || bytes.byteLength === 0 ? undefined : { id, index, count, bytes };
}

function readAcks(decoder: decoding.Decoder): { address: DocumentAddress; acks: Ack[] } | undefined {
  const roomId = readText(decoder);
  const docId = readText(decoder);
  const hasSubdoc = readBytes(decoder, 1)?.[0];
  const subdocId = hasSubdoc === 1 ? readText(decoder) : undefined;
  if (roomId === undefined || docId === undefined || hasSubdoc === undefined || hasSubdoc > 1)
    return undefined;
  if (hasSubdoc === 1 && subdocId === undefined) return undefined;
  const acks: Ack[] = [];
  while (decoding.hasContent(decoder)) {
    const version = readCount(decoder);
    const at = readPosition(decoder);
    if (version === undefined || at === undefined) return undefined;
    acks.push({ version, ...at });
  }
  return { address: subdocId === undefined ? { roomId, docId } : { roomId, docId, subdocId }, acks };
}

function readState(decoder: decoding.Decoder): { head: StateHead; payload: Uint8Array } | undefined {
  const text = readText(decoder);
  try {
    const head = JSON.parse(text ?? '') as StateHead;
    if (!isValidId(head.roomId) || !isValidId(head.docId) || !isPosition(head.position)) return undefined;
    if ((head.kind !== 'full' && head.kind !== 'delta') || !Array.isArray(head.appended)) return undefined;
    return { head, payload: decoder.arr.subarray(decoder.pos) };
  } catch {
    return undefined; // the head is not JSON
  }
}

/** Reads what a client sent; views on `bytes`. Never throws. */
export function decodeClientFrame(bytes: Uint8Array): Decoded<ClientFrame> {
  if (bytes.byteLength < 2) return badFrame();
  const decoder = decoding.createDecoder(bytes);
  const kind = decoding.readUint8(decoder);
  if (kind === FrameKind.Entries) {
    const envelopes = readEnvelopes(decoder);
    return envelopes ? decoded({ kind, envelopes }) : badFrame();
  }
  if (kind === FrameKind.Chunk) {
    const chunk = readChunk(decoder);
    return chunk ? decoded({ kind, chunk }) : failed('BAD_CHUNK');
  }
  return failed('BAD_FRAME', 'The frame kind is unknown.');
}

/** Reads what a server sent; views on `bytes`. Never throws. */
export function decodeServerFrame(bytes: Uint8Array): Decoded<ServerFrame> {
  if (bytes.byteLength < 2) return badFrame();
  const decoder = decoding.createDecoder(bytes);
  const kind = decoding.readUint8(decoder);
  switch (kind) {
    case FrameKind.Entries: {
      const entries = readEntries(decoder);
      return entries ? decoded({ kind, entries }) : badFrame();
    }
    case FrameKind.Chunk: {
      const chunk = readChunk(decoder);
      return chunk ? decoded({ kind, chunk }) : failed('BAD_CHUNK');
    }
    case FrameKind.Acks: {
      const acks = readAcks(decoder);
      return acks ? decoded({ kind, ...acks }) : badFrame();
    }
    case FrameKind.Ephemeral: {
      const envelopes = readEnvelopes(decoder);
      return envelopes ? decoded({ kind, envelopes }) : badFrame();
    }
    case FrameKind.State: {
      const state = readState(decoder);
      return state ? decoded({ kind, ...state }) : badFrame();
    }
    default:
      return failed('BAD_FRAME', 'The frame kind is unknown.');
  }
}
