import * as decoding from 'lib0/decoding';
import { readBytes, readCount, readLengthPrefixed, readText } from './bytes.ts';
import { decoded, failed, type Decoded } from './failures.ts';
import {
  FrameKind,
  MAX_ACKS_PER_FRAME,
  type Ack,
  type Chunk,
  type ClientFrame,
  type Entry,
  type ServerFrame,
  type StateHead,
} from './frame-types.ts';
import { isValidId, type DocumentAddress } from './ids.ts';
import { parseBoundedJson } from './json.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import { validateAddress } from './metadata.ts';
import { isPosition, type Position } from './position.ts';
import { isVersionRanges } from './ranges.ts';

const badFrame = () => failed('BAD_FRAME');

/*
 * Each thing that is read costs an object or two (an entry about 300 bytes), so a frame of many tiny ones could
 * take far more memory than its bytes. An envelope below the shortest valid metadata is never valid, one below what
 * the server stamps never comes from it: a few are handed on, so that each is answered, more make the frame unreadable.
 */
const MIN_CLIENT_ENVELOPE_BYTES = 57; // {"docId":"a","senderId":"b","version":0,"timestamp":0}, length field, type
const MIN_SERVER_ENVELOPE_BYTES = 72; // the same with `v` and `tenantId`
const MAX_SHORT_ENVELOPES = 100;

const MAX_STATE_HEAD_BYTES = 64 * 1024;

function readPosition(decoder: decoding.Decoder): Position | undefined {
  const generation = readCount(decoder);
  const epoch = readCount(decoder);
  const partition = readCount(decoder);
  const offset = readCount(decoder);
  if (generation === undefined || epoch === undefined || partition === undefined || offset === undefined)
    return undefined;
  return { generation, epoch, partition, offset };
}

function readEnvelopes(decoder: decoding.Decoder): Uint8Array[] | undefined {
  const envelopes: Uint8Array[] = [];
  let short = 0;
  while (decoding.hasContent(decoder)) {
    const envelope = readLengthPrefixed(decoder);
    if (envelope === undefined || envelope.byteLength === 0) return undefined;
    if (envelope.byteLength < MIN_CLIENT_ENVELOPE_BYTES && ++short > MAX_SHORT_ENVELOPES) return undefined;
    envelopes.push(envelope);
  }
  return envelopes.length > 0 ? envelopes : undefined;
}

function readEntries(decoder: decoding.Decoder): Entry[] | undefined {
  const entries: Entry[] = [];
  let short = 0;
  while (decoding.hasContent(decoder)) {
    const position = readPosition(decoder);
    const previous = readCount(decoder);
    const envelope = readLengthPrefixed(decoder);
    if (position === undefined || previous === undefined || envelope === undefined) return undefined;
    if (envelope.byteLength < MIN_SERVER_ENVELOPE_BYTES && ++short > MAX_SHORT_ENVELOPES) return undefined;
    entries.push({ position, previous: previous - 1, envelope });
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

function readId(decoder: decoding.Decoder): string | undefined {
  const text = readText(decoder, DEFAULT_LIMITS.maxIdBytes);
  return isValidId(text) ? text : undefined;
}

function readAddress(decoder: decoding.Decoder): DocumentAddress | undefined {
  const roomId = readId(decoder);
  const docId = readId(decoder);
  const hasSubdoc = readCount(decoder);
  const subdocId = hasSubdoc === 1 ? readId(decoder) : undefined;
  if (roomId === undefined || docId === undefined) return undefined;
  if (hasSubdoc === 0) return { roomId, docId };
  return subdocId === undefined ? undefined : { roomId, docId, subdocId };
}

function readAcks(decoder: decoding.Decoder): { address: DocumentAddress; acks: Ack[] } | undefined {
  const address = readAddress(decoder);
  if (address === undefined) return undefined;
  const acks: Ack[] = [];
  while (decoding.hasContent(decoder)) {
    const version = readCount(decoder);
    const position = readPosition(decoder);
    const previous = readCount(decoder);
    if (version === undefined || position === undefined || previous === undefined) return undefined;
    if (acks.length === MAX_ACKS_PER_FRAME) return undefined;
    acks.push({ version, position, previous: previous - 1 });
  }
  return { address, acks };
}

function readState(decoder: decoding.Decoder): { head: StateHead; payload: Uint8Array } | undefined {
  const bytes = readLengthPrefixed(decoder);
  if (bytes === undefined || bytes.byteLength > MAX_STATE_HEAD_BYTES) return undefined;
  const parsed = parseBoundedJson(bytes);
  const head = parsed.ok ? validateStateHead(parsed.value) : undefined;
  return head && { head, payload: decoder.arr.subarray(decoder.pos) };
}

function validateStateHead(json: unknown): StateHead | undefined {
  if (typeof json !== 'object' || json === null) return undefined;
  const { join, position, kind, appended, through, ...rest } = json as Record<string, unknown>;
  const address = validateAddress(rest);
  if (!address.ok || !isPosition(position) || !isVersionRanges(appended)) return undefined;
  if (kind !== 'full' && kind !== 'delta') return undefined;
  if (!Number.isSafeInteger(join) || (join as number) < 0) return undefined;
  const head: StateHead = { ...address.value, join: join as number, position, kind, appended };
  if (through === undefined) return head;
  return Number.isSafeInteger(through) && (through as number) >= -1
    ? { ...head, through: through as number }
    : undefined;
}

/** Reads what a client sent; views on `bytes`. Never throws. */
export function decodeClientFrame(bytes: Uint8Array): Decoded<ClientFrame> {
  if (!ArrayBuffer.isView(bytes) || bytes.byteLength < 2) return badFrame();
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
  if (!ArrayBuffer.isView(bytes) || bytes.byteLength < 2) return badFrame();
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
