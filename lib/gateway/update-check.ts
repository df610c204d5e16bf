import { decodeUpdate } from 'yjs';

/** sound: Yjs can decode it. busy: it could not be checked now (transient). */
export type CheckResult = 'sound' | 'bad' | 'busy';

export interface UpdateChecker {
  /** At once for small updates; a promise for those that a worker thread reads. Never throws. */
  check(update: Uint8Array): CheckResult | Promise<CheckResult>;
  close(): Promise<void>;
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
