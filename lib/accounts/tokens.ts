import { errors, jwtVerify, SignJWT, type JWTPayload, type JWTVerifyGetKey } from 'jose';
import type { Clock } from '../clock.ts';
import { AppError } from '../errors.ts';
import type { Principal, RoomRoles } from './principal.ts';
import { BOARD_ROLES, type BoardRole } from './rules.ts';
import { MAX_TOKEN_MS, SIGNING_ALGORITHM, type SigningKeys } from './signing-keys.ts';

/** `typ` of the own access tokens (RFC 9068): no other kind of token passes for one. */
const TOKEN_TYPE = 'at+jwt';
/** Clocks of two machines may differ by so much. */
export const TOLERANCE_MS = 5_000;
/** Longer ones are refused unread. */
const MAX_TOKEN_LENGTH = 8_192;
const MAX_ROOMS = 1_000;
/** Nothing symmetric, and never `none`: a public key must not be taken for a secret. */
const FOREIGN_ALGORITHMS = [
  ...['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
];

/** What a token is for: `iss` and `aud`. */
export interface TokenNames {
  issuer: string;
  audience: string;
}

export interface AccessToken {
  token: string;
  /** Wall time at which it ends. */
  expiresAtMs: number;
}

export interface TokenOwner {
  userId: string;
  sessionId: string;
  name: string;
}

export interface ServiceGrant {
  /** Of the token (`jti`): by it the token can be revoked. */
  id: string;
  name: string;
  tenantId: string;
  rooms: RoomRoles;
  /** Wall time; at most a day from now. */
  expiresAtMs: number;
}

/** Makes the access tokens of the own accounts. */
export class AccessTokens {
  readonly #keys: SigningKeys;
  readonly #clock: Clock;
  readonly #names: TokenNames;
  readonly #lifeMs: number;

  constructor(keys: SigningKeys, options: TokenNames & { clock: Clock; lifeMs: number }) {
    this.#keys = keys;
    this.#clock = options.clock;
    this.#names = options;
    this.#lifeMs = options.lifeMs;
  }

  issue({ userId, sessionId, name }: TokenOwner): Promise<AccessToken> {
    return this.#sign({ sid: sessionId, name }, userId, this.#clock.wallTime() + this.#lifeMs);
  }

  /** For a server of the same installation: it acts by itself, in the rooms that are named. */
  issueForService({ id, name, tenantId, rooms, expiresAtMs }: ServiceGrant): Promise<AccessToken> {
    const endsAtMs = Math.min(expiresAtMs, this.#clock.wallTime() + MAX_TOKEN_MS);
    return this.#sign({ jti: id, name, tenant: tenantId, rooms, svc: true }, name, endsAtMs);
  }

  async #sign(claims: JWTPayload, subject: string, expiresAtMs: number): Promise<AccessToken> {
    const { kid, key } = await this.#keys.current();
    const nowSeconds = Math.floor(this.#clock.wallTime() / 1_000);
    const expiresAt = Math.floor(expiresAtMs / 1_000);
    const token = await new SignJWT(claims)
      .setProtectedHeader({ alg: SIGNING_ALGORITHM, typ: TOKEN_TYPE, kid })
      .setSubject(subject)
      .setIssuer(this.#names.issuer)
      .setAudience(this.#names.audience)
      .setIssuedAt(nowSeconds)
      .setExpirationTime(expiresAt)
      .sign(key);
    return { token, expiresAtMs: expiresAt * 1_000 };
  }
}

export interface VerifierOptions extends TokenNames {
  /** Finds the key that a token names. */
  keys: JWTVerifyGetKey;
  clock: Pick<Clock, 'wallTime'>;
  /** own: made by AccessTokens. foreign: another product's, with the claims of docs/accounts.md. */
  kind: 'own' | 'foreign';
}

/** Says whose a token is. Rejects with UNAUTHENTICATED for every token that proves nothing, with what `keys` rejects. */
export type TokenVerifier = (token: unknown) => Promise<Principal>;

export function createTokenVerifier({ keys, clock, kind, issuer, audience }: VerifierOptions): TokenVerifier {
  const isOwn = kind === 'own';
  return async (token) => {
    if (typeof token !== 'string' || token === '' || token.length > MAX_TOKEN_LENGTH)
      throw new AppError('UNAUTHENTICATED');
    try {
      const { payload } = await jwtVerify(token, keys, {
        algorithms: isOwn ? [SIGNING_ALGORITHM] : FOREIGN_ALGORITHMS,
        issuer,
        audience,
        clockTolerance: TOLERANCE_MS / 1_000,
        currentDate: new Date(clock.wallTime()),
        requiredClaims: ['exp', 'sub'],
        ...(isOwn ? { typ: TOKEN_TYPE } : {}),
      });
      return principalOf(payload, isOwn);
    } catch (error) {
      // Only why: the error itself carries the claims.
      if (isUnproven(error)) throw new AppError('UNAUTHENTICATED', { data: { reason: error.code } });
      throw error;
    }
  };
}

/** The token is bad, whatever else works; a key set that cannot be had says nothing of the token. */
function isUnproven(error: unknown): error is errors.JOSEError {
  return error instanceof errors.JOSEError && !(error instanceof errors.JWKSTimeout) && !isBadKeySet(error);
}

function isBadKeySet(error: errors.JOSEError): boolean {
  // jose has no class of its own for a key set that answers with something else than 200.
  return error instanceof errors.JWKSInvalid || error.code === 'ERR_JOSE_GENERIC';
}

function principalOf(payload: JWTPayload, isOwn: boolean): Principal {
  const { sub, exp, name, tenant, svc } = payload;
  const rooms = roomsOf(payload.rooms);
  const isService = svc === true;
  // A token of ours that nobody could revoke is none.
  if (isOwn && isService && typeof payload.jti !== 'string') throw new AppError('UNAUTHENTICATED');
  const sid = isOwn && isService ? payload.jti : payload.sid;
  // A person's token of ours gives nothing by itself: roles are asked for, so that they can be taken away.
  const isGrant = isService || !isOwn;
  return {
    kind: isService ? 'service' : 'user',
    userId: sub!,
    ...(typeof sid === 'string' ? { sessionId: sid } : {}),
    ...(typeof name === 'string' ? { name } : {}),
    ...(isGrant && typeof tenant === 'string' && isTenant(tenant) ? { tenantId: tenant } : {}),
    ...(isGrant && rooms ? { rooms } : {}),
    expiresAtMs: exp! * 1_000,
  };
}

/** As `YKAFKA_TENANT`. */
function isTenant(text: string): boolean {
  return /^[\w.-]{1,64}$/.test(text);
}

/** What does not have the expected shape gives nothing. */
function roomsOf(claim: unknown): RoomRoles | undefined {
  if (typeof claim !== 'object' || claim === null || Array.isArray(claim)) return undefined;
  const rooms = Object.entries(claim).slice(0, MAX_ROOMS);
  return Object.fromEntries(rooms.filter((room): room is [string, BoardRole] => isRole(room[1])));
}

function isRole(value: unknown): value is BoardRole {
  return (BOARD_ROLES as readonly unknown[]).includes(value);
}
