import { threadId } from 'node:worker_threads';
import type { WorkAnswer } from '../../lib/codec/work.ts';

/** A codec's worker whose every result is its thread's number. */
// eslint-disable-next-line import-x/no-default-export
export default function nameThread(): WorkAnswer {
  return { ok: true, result: Uint8Array.of(threadId) };
}
