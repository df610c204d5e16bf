import { decodeUpdate } from 'yjs';
import { findUpdateFlaw } from '../protocol/sound-update.ts';

/** sound: Yjs can decode it and some client could have written it. busy: it could not be checked now (transient). */
export type CheckResult = 'sound' | 'bad' | 'busy';

export interface UpdateChecker {
  /** At once for small updates; a promise for those that a worker thread reads. Never throws. */
  check(update: Uint8Array): CheckResult | Promise<CheckResult>;
  close(): Promise<void>;
}

/** What the door asks; what it lets in breaks no document that Yjs takes it into. */
export function isSound(update: Uint8Array): boolean {
  return findUpdateFlaw(update) === undefined;
}

/** Whether Yjs reads all of it as an update (V1). */
export function isDecodable(update: Uint8Array): boolean {
  try {
    decodeUpdate(update);
    return true;
  } catch {
    return false; // that is the answer: Yjs says by throwing that the bytes are no update
  }
}
