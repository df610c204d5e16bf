import type { SharedFrame } from './port.ts';

export function shareFrame(bytes: Uint8Array): SharedFrame {
  return { bytes, wireForms: new Map() };
}
