import { joinParts } from '../protocol/chunks.ts';
import type { SharedEvent, SharedFrame } from './port.ts';

export function shareFrame(bytes: Uint8Array): SharedFrame {
  return { parts: [bytes], bytes, wireForms: new Map() };
}

export function shareEvent(name: string, content: object): SharedEvent {
  return { name, content, wireForms: new Map() };
}

/** A frame that lies in several parts; they are put together only for a transport that needs it whole. */
export function shareParts(parts: readonly Uint8Array[]): SharedFrame {
  let joined: Uint8Array | undefined;
  return {
    parts,
    get bytes() {
      return (joined ??= joinParts(parts));
    },
    wireForms: new Map(),
  };
}
