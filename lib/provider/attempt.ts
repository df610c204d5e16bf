import type { ConnectionOptions } from './connection-options.ts';
import type { TransportClosed } from './transport.ts';

/** What a connection attempt needs from the application. */
export interface AttemptNeeds {
  /** Undefined: as before. */
  urls: readonly string[] | undefined;
  token: string | undefined;
}

/** At once when nothing has to be asked for. */
export function knownNeeds({ url, token, getToken }: ConnectionOptions): AttemptNeeds | undefined {
  return getToken || typeof url === 'function' ? undefined : { urls: undefined, token };
}

/** Asks the application; rejects with TransportClosed when it has no answer. */
export async function askNeeds({ url, token, getToken }: ConnectionOptions): Promise<AttemptNeeds> {
  const urls =
    typeof url === 'function' ? await asked(async () => urlList(await url()), 'URL_FAILED') : undefined;
  return { urls, token: getToken ? await asked(getToken, 'TOKEN_FAILED') : token };
}

/** Throws TypeError for an empty list. */
export function urlList(urls: string | readonly string[]): readonly string[] {
  const list = typeof urls === 'string' ? [urls] : urls;
  if (list.length === 0) throw new TypeError('At least one url is needed.');
  return list;
}

const FAILURES = { URL_FAILED: 'No url could be had.', TOKEN_FAILED: 'No token could be had.' };

async function asked<T>(ask: () => T | Promise<T>, code: keyof typeof FAILURES): Promise<T> {
  try {
    return await ask();
  } catch (cause) {
    const reason: TransportClosed = { code, message: FAILURES[code], permanent: false, cause };
    throw Object.assign(new Error(reason.message), reason);
  }
}

/** The first attempts get less time than the later ones: a gateway that hangs takes connections and never answers. */
export function attemptLimitMs(limitMs: number, failuresBefore: number): number {
  return Math.min(limitMs, (limitMs / 4) * 2 ** Math.min(failuresBefore, 2));
}
