/** Time limits of everything that is asked of a store; all in ms. */
export interface StoreLimits {
  /** A statement that takes longer is given up, and a connection that says nothing for a little longer is cut. */
  statementTimeoutMs: number;
  /** A lock is held for one batch, so a longer wait means that its holder hangs. */
  lockTimeoutMs: number;
  /** A process that was paused inside a transaction loses it, so that others can go on. */
  idleInTransactionMs: number;
  /** How long a call may wait for a connection. */
  connectTimeoutMs: number;
}

export const DEFAULT_STORE_LIMITS: StoreLimits = Object.freeze({
  statementTimeoutMs: 15_000,
  lockTimeoutMs: 5_000,
  idleInTransactionMs: 3_000,
  connectTimeoutMs: 5_000,
});
