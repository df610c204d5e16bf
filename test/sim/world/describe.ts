import type { JoinAnswer, JoinRequest, Nack } from '../../../lib/protocol/events.ts';
import {
  decodeClientFrame,
  decodeServerFrame,
  FrameKind,
  tryDecodeMetadata,
} from '../../../lib/protocol/index.ts';
import type { Position } from '../../../lib/protocol/position.ts';

/** What goes over a wire, in a line for people. */
export function clientFrame(bytes: Uint8Array): string {
  const frame = decodeClientFrame(bytes);
  if (!frame.ok) return `unreadable frame ${frame.failure.code}`;
  if (frame.value.kind === FrameKind.Chunk)
    return `chunk ${frame.value.chunk.index + 1}/${frame.value.chunk.count}`;
  return `entries ${frame.value.envelopes.map(envelope).join(', ')}`;
}

export function serverFrame(bytes: Uint8Array): string {
  const frame = decodeServerFrame(bytes);
  if (!frame.ok) return `unreadable frame ${frame.failure.code}`;
  const { value } = frame;
  switch (value.kind) {
    case FrameKind.Entries:
      return `entries ${value.entries.map((entry) => `${at(entry.position)}<-${entry.previous} ${envelope(entry.envelope)}`).join(', ')}`;
    case FrameKind.Acks:
      return `acks ${value.address.docId} ${value.acks.map(({ version, position, previous }) => `#${version} ${at(position)}<-${previous}`).join(', ')}`;
    case FrameKind.State: {
      const { join, docId, position, kind, appended, through } = value.head;
      return `state ${docId} join ${join} ${kind} ${at(position)} appended ${JSON.stringify(appended)} through ${through}`;
    }
    case FrameKind.Chunk:
      return `chunk ${value.chunk.index + 1}/${value.chunk.count}`;
    case FrameKind.Ephemeral:
      return 'ephemeral';
  }
}

export function joinRequest({ docId, position, heard, stateVector }: JoinRequest): string {
  return `join ${docId} from ${at(position)} heard ${at(heard)}${stateVector ? ' with vector' : ''}`;
}

export function joinAnswer(answer: JoinAnswer): string {
  if (!answer.ok) return `refused ${answer.code}`;
  return `joined ${answer.join} at ${at(answer.position)} appended ${JSON.stringify(answer.appended)}`;
}

export function nack({ docId, version, code, position }: Nack): string {
  return `nack ${docId}#${version} ${code} ${at(position)}`;
}

function at(position: Position | undefined): string {
  return position ? `g${position.generation}@${position.offset}` : '-';
}

function envelope(bytes: Uint8Array): string {
  const metadata = tryDecodeMetadata(bytes);
  if (!metadata.ok) return 'unreadable';
  const { docId, senderId, version, generation } = metadata.value;
  return `${docId} ${senderId.slice(0, 12)}#${version} g${generation}`;
}
