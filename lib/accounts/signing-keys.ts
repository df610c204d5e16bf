import {
  calculateJwkThumbprint,
  exportJWK,
  generateKeyPair,
  importJWK,
  type CryptoKey,
  type JSONWebKeySet,
  type JWK,
} from 'jose';
import type { Logger } from '../log.ts';
import { nowOf, type AccountsContext, type EntityManager } from './context.ts';
import { SigningKeyEntity } from './entities.ts';
import type { Sealer } from './sealer.ts';

export const SIGNING_ALGORITHM = 'ES256';

const HOUR_MS = 3_600_000;
/** A key signs for so long. */
const SIGNS_MS = 30 * 24 * HOUR_MS;
/** Its successor is made so long before, and is in every copy of the key set when its time comes. */
const AHEAD_MS = 24 * HOUR_MS;
/** Longest life of a token, and so of a key behind its retirement. */
export const MAX_TOKEN_MS = 24 * HOUR_MS;
/** Keys that others have made are seen after so long. */
const RELOAD_MS = 60_000;
const LOCK = 'signing_keys';

export interface SigningKey {
  kid: string;
  key: CryptoKey;
}

interface KeyRow {
  kid: string;
  publicJwk: Record<string, unknown>;
  privateJwk: string;
  retiresAt: Date;
  expiresAt: Date;
}

interface Loaded {
  rows: KeyRow[];
  atMs: number;
}

/** The keys of access tokens, in the database for all processes: they sign, retire, and prove for a while longer. */
export class SigningKeys {
  readonly #context: AccountsContext;
  readonly #sealer: Sealer;
  readonly #logger: Logger;
  readonly #opened = new Map<string, Promise<CryptoKey | undefined>>();
  #loading: Promise<Loaded> | undefined;
  #loaded: Loaded | undefined;

  constructor(context: AccountsContext, { sealer, logger }: { sealer: Sealer; logger: Logger }) {
    this.#context = context;
    this.#sealer = sealer;
    this.#logger = logger;
  }

  /** The key that signs now: of those that have not retired the one that retires first. */
  async current(): Promise<SigningKey> {
    const key = await this.#signing(await this.#load());
    if (key) return key;
    // Those that were loaded have retired, or are another secret's.
    this.#loaded = undefined;
    return (await this.#signing(await this.#load(), { makes: true }))!;
  }

  /** Public parts of all keys that may still prove something, as a JWKS. */
  async publicKeys(): Promise<JSONWebKeySet> {
    const { rows } = await this.#load();
    const now = nowOf(this.#context);
    return {
      keys: rows
        .filter(({ expiresAt }) => expiresAt > now)
        .map(({ kid, publicJwk }) => ({ ...publicJwk, kid, alg: SIGNING_ALGORITHM, use: 'sig' }) as JWK),
    };
  }

  async #signing({ rows }: Loaded, { makes = false } = {}): Promise<SigningKey | undefined> {
    const now = nowOf(this.#context);
    for (const row of rows.filter(({ retiresAt }) => retiresAt > now)) {
      const key = await this.#open(row);
      if (key) return { kid: row.kid, key };
    }
    if (!makes) return undefined;
    const made = await this.#context.database.entities((em) => this.#make(em));
    this.#loaded = undefined;
    return { kid: made.kid, key: (await this.#open(made))! };
  }

  #load(): Promise<Loaded> {
    const nowMs = this.#context.clock.wallTime();
    if (this.#loaded && Math.abs(nowMs - this.#loaded.atMs) < RELOAD_MS) return Promise.resolve(this.#loaded);
    this.#loading ??= this.#read(nowMs).finally(() => (this.#loading = undefined));
    return this.#loading;
  }

  async #read(atMs: number): Promise<Loaded> {
    const rows = await this.#context.database.entities(async (em) => {
      const known = await usable(em, new Date(atMs));
      if (known.some(({ retiresAt }) => retiresAt.getTime() - atMs > AHEAD_MS)) return known;
      await em.execute('select pg_advisory_xact_lock(hashtextextended(?, 0))', [LOCK]);
      const again = await usable(em, new Date(atMs));
      // Somebody else has made it while this one waited.
      if (again.some(({ retiresAt }) => retiresAt.getTime() - atMs > AHEAD_MS)) return again;
      await em.execute('delete from signing_keys where expires_at < ?', [new Date(atMs)]);
      return [...again, await this.#make(em)];
    });
    this.#loaded = { rows, atMs };
    return this.#loaded;
  }

  async #make(em: EntityManager): Promise<KeyRow> {
    const now = nowOf(this.#context);
    const pair = await generateKeyPair(SIGNING_ALGORITHM, { extractable: true });
    const [publicJwk, privateJwk] = [await exportJWK(pair.publicKey), await exportJWK(pair.privateKey)];
    const kid = await calculateJwkThumbprint(publicJwk);
    const retiresAt = new Date(now.getTime() + SIGNS_MS);
    const row = {
      kid,
      algorithm: SIGNING_ALGORITHM,
      publicJwk: publicJwk as Record<string, unknown>,
      privateJwk: this.#sealer.seal(JSON.stringify(privateJwk), kid),
      createdAt: now,
      retiresAt,
      expiresAt: new Date(retiresAt.getTime() + MAX_TOKEN_MS),
    };
    em.create(SigningKeyEntity, row, { persist: true });
    await em.flush();
    this.#logger.info({ kid }, 'signing key made');
    return row;
  }

  #open({ kid, privateJwk }: KeyRow): Promise<CryptoKey | undefined> {
    let key = this.#opened.get(kid);
    if (!key) {
      key = this.#import(kid, privateJwk);
      this.#opened.set(kid, key);
    }
    return key;
  }

  async #import(kid: string, sealed: string): Promise<CryptoKey | undefined> {
    const jwk = this.#sealer.open(sealed, kid);
    if (jwk === undefined) {
      this.#logger.warn({ kid }, 'signing key was made with another secret');
      return undefined;
    }
    return (await importJWK(JSON.parse(jwk) as JWK, SIGNING_ALGORITHM)) as CryptoKey;
  }
}

async function usable(em: EntityManager, now: Date): Promise<KeyRow[]> {
  return em.find(
    SigningKeyEntity,
    { expiresAt: { $gt: now } },
    { orderBy: { retiresAt: 'asc', kid: 'asc' } },
  );
}
