import * as encoding from 'lib0/encoding';
import {
  FrameKind,
  MAX_APPENDED_RANGES,
  type Ack,
  type Chunk,
  type Entry,
  type StateHead,
} from './frame-types.ts';
import type { DocumentAddress } from './ids.ts';
import { ProtocolMessageType, SyncMessageType } from './message-types.ts';
import type { Position } from './position.ts';

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

/** At most MAX_ACKS_PER_FRAME acks are readable again. */
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
    const appended = head.appended.slice(-MAX_APPENDED_RANGES);
    encoding.writeVarString(encoder, JSON.stringify({ ...head, appended }));
    encoding.writeUint8Array(encoder, payload);
  });
}

/** A state frame whose payload is a SyncStep2 with `update`, in parts: the update itself is not copied. */
export function encodeStateParts(head: StateHead, update: Uint8Array): Uint8Array[] {
  return [encodeState(head, stepTwoHead(update)), update];
}

/** Size of the payload of a state frame. */
export function statePayloadBytes(update: Uint8Array): number {
  return stepTwoHead(update).byteLength + update.byteLength;
}

/** What y-protocols writes before the update of a SyncStep2. */
function stepTwoHead(update: Uint8Array): Uint8Array {
  const head = encoding.createEncoder();
  encoding.writeVarUint(head, ProtocolMessageType.Sync);
  encoding.writeVarUint(head, SyncMessageType.Step2);
  encoding.writeVarUint(head, update.byteLength);
  return encoding.toUint8Array(head);
}

export function encodeChunk(chunk: Chunk): Uint8Array {
  const head = encodeChunkHead(chunk);
  // Copied once: lib0's encoder would do it twice.
  const frame = new Uint8Array(head.byteLength + chunk.bytes.byteLength);
  frame.set(head);
  frame.set(chunk.bytes, head.byteLength);
  return frame;
}

/** What stands before the bytes of a chunk. */
export function encodeChunkHead(chunk: Omit<Chunk, 'bytes'>): Uint8Array {
  return frameOf(FrameKind.Chunk, (encoder) => {
    encoding.writeVarUint(encoder, chunk.id);
    encoding.writeVarUint(encoder, chunk.index);
    encoding.writeVarUint(encoder, chunk.count);
  });
}
