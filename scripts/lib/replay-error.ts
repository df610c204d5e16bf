/** The replay cannot go on; the message may be shown. */
export class ReplayError extends Error {
  override readonly name = 'ReplayError';
}
