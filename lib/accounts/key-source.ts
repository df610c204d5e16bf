import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';

/** The keys are asked for again after so long, beside the work. */
const FRESH_MS = 5 * 60_000;
/** A token that names an unknown key is a reason to ask, but not more often than this. */
const UNKNOWN_INTERVAL_MS = 1_000;

export interface KeySourceOptions {
  /** Asks who has the keys. */
  load: () => Promise<JSONWebKeySet>;
  clock: Pick<Clock, 'now'>;
  logger: Logger;
}

/**
 * The public keys of access tokens at a process that has no database: kept, and asked for when a token names one that
 * is not known. Rejects with what `load` rejects where only that could tell.
 */
export function createKeySource({ load, clock, logger }: KeySourceOptions): JWTVerifyGetKey {
  let known: { find: JWTVerifyGetKey; atMs: number } | undefined;
  let loading: Promise<JWTVerifyGetKey> | undefined;
  const reload = (): Promise<JWTVerifyGetKey> => {
    loading ??= load()
      .then((keys) => {
        const find = createLocalJWKSet(keys);
        known = { find, atMs: clock.now() };
        return find;
      })
      .finally(() => (loading = undefined));
    return loading;
  };
  return async (header, token) => {
    if (!known) return (await reload())(header, token);
    const ageMs = clock.now() - known.atMs;
    if (ageMs > FRESH_MS)
      reload().catch((error: unknown) => logger.warn({ err: error }, 'token keys could not be asked for'));
    try {
      return await known.find(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey) || ageMs < UNKNOWN_INTERVAL_MS) throw error;
      return (await reload())(header, token);
    }
  };
}
