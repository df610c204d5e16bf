import type { BlobTransfer } from '../transfer/port.ts';
import type { SyncAnswer } from './port.ts';
import type { RemoteSyncAnswer } from './remote.ts';

/** A large update leaves the answer and waits to be fetched (design rule 10). */
export function toRemoteAnswer(
  answer: SyncAnswer,
  { blobs, inlineBytes }: { blobs: Pick<BlobTransfer, 'offer'>; inlineBytes: number },
): RemoteSyncAnswer {
  const { update, ...rest } = answer;
  return update.byteLength <= inlineBytes ? { ...rest, update } : { ...rest, blob: blobs.offer(update) };
}
