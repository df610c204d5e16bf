import { AppError } from '../errors.ts';
import type { BlobTransfer } from './port.ts';
import { BlobStash, type StashOptions } from './stash.ts';

/** References of this process to itself. */
export const MEMORY_URL = 'memory:';

/** Hands over memory inside one process. */
export function createMemoryTransfer(options: StashOptions): BlobTransfer {
  const stash = new BlobStash(options);
  return {
    offer: (bytes) => ({ url: MEMORY_URL, ticket: stash.put(bytes), bytes: bytes.byteLength }),
    async fetch(reference) {
      const bytes = reference.url === MEMORY_URL ? stash.take(reference.ticket) : undefined;
      if (!bytes) throw new AppError('SYNC_TICKET_UNKNOWN');
      return bytes;
    },
    close: async () => stash.clear(),
  };
}
