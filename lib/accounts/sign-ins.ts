import type { InferEntity } from '@mikro-orm/core';
import { AppError, isAppError } from '../errors.ts';
import { nowOf, type AccountsContext } from './context.ts';
import { SignInEntity } from './entities.ts';
import { hashOf } from './hashes.ts';
import type { SignInProviders } from './providers.ts';
import type { OpenSession, Sessions } from './sessions.ts';
import type { AccessToken, AccessTokens } from './tokens.ts';
import type { Users } from './users.ts';
import type { UserView } from './views.ts';

/** Who begins a sign-in comes back within this time. */
export const SIGN_IN_MS = 10 * 60_000;

export interface SignInRequest {
  provider: string;
  /** 256 random bits; names the sign-in towards the provider. */
  state: string;
  /** 256 random bits in a cookie of the browser that begins it. */
  browser: string;
  /** Where the provider sends the browser back to: here. */
  redirectUri: string;
  /** Where the browser goes after that; checked by who asks. */
  returnTo?: string;
}

export interface SignInAnswer {
  provider: string;
  state: string;
  browser: string;
  /** The whole address with which the browser came back. */
  callbackUrl: string;
  userAgent?: string;
}

export interface SignedIn {
  user: UserView;
  session: OpenSession;
  access: AccessToken;
}

type SignInRow = InferEntity<typeof SignInEntity>;

export interface SignInParts {
  providers: SignInProviders;
  users: Users;
  sessions: Sessions;
  tokens: AccessTokens;
}

/** Sign-ins by a provider: each is bound to the browser that began it, and is used once. */
export class SignIns {
  readonly #context: AccountsContext;
  readonly #parts: SignInParts;

  constructor(context: AccountsContext, parts: SignInParts) {
    this.#context = context;
    this.#parts = parts;
  }

  /** Gives the provider's address. The same request again gives the same. */
  async begin(request: SignInRequest): Promise<{ url: string }> {
    const { provider, state, browser, redirectUri, returnTo } = request;
    const { providers } = this.#parts;
    const made = await providers.challenge(provider);
    const row = await this.#context.database.entities(async (em) => {
      const now = nowOf(this.#context);
      await em.execute('delete from sign_ins where expires_at < ?', [now]);
      const hash = hashOf(state);
      await em.execute('select pg_advisory_xact_lock(hashtextextended(?, 0))', [hash]);
      const known = await em.findOne(SignInEntity, { state: hash });
      if (known) {
        if (known.browser !== hashOf(browser) || known.provider !== provider)
          throw new AppError('SIGN_IN_FAILED');
        return known;
      }
      return em.create(
        SignInEntity,
        {
          state: hash,
          provider,
          ...made,
          browser: hashOf(browser),
          returnTo: returnTo ?? null,
          expiresAt: new Date(now.getTime() + SIGN_IN_MS),
        },
        { persist: true },
      );
    });
    const { nonce, codeVerifier } = row;
    return { url: await providers.urlOf(provider, { state, nonce, codeVerifier }, redirectUri) };
  }

  /**
   * Takes the sign-in away, then asks the provider who it is. Rejects with SIGN_IN_FAILED (`data.returnTo` where it was
   * this browser's), and with PROVIDER_UNAVAILABLE, after which the same answer may be given again.
   */
  async finish(answer: SignInAnswer): Promise<SignedIn & { returnTo: string | null }> {
    const { provider, state, callbackUrl, userAgent } = answer;
    const taken = await this.#take(answer);
    const { nonce, codeVerifier, returnTo = null } = taken;
    const { providers, users } = this.#parts;
    try {
      const profile = await providers.profileOf(provider, { state, nonce, codeVerifier }, callbackUrl);
      const user = await users.signedIn(profile);
      const session = await this.#parts.sessions.create(user.id, userAgent);
      return { ...(await this.#withToken(user, session)), returnTo };
    } catch (error) {
      if (isAppError(error, 'PROVIDER_UNAVAILABLE')) await this.#putBack(taken);
      if (error instanceof AppError && returnTo !== null) error.data.returnTo = returnTo;
      throw error;
    }
  }

  /** The session goes on with a new token, and an access token with it. Rejects with UNAUTHENTICATED. */
  async refresh(token: string): Promise<SignedIn> {
    const session = await this.#parts.sessions.refresh(token);
    return this.#withToken(await this.#parts.users.get(session.userId), session);
  }

  async #withToken(user: UserView, session: OpenSession): Promise<SignedIn> {
    const { sessionId } = session;
    const access = await this.#parts.tokens.issue({ userId: user.id, sessionId, name: user.name });
    return { user, session, access };
  }

  /** Once: whoever comes second finds nothing, also when the first has failed. */
  async #take({ state, browser, provider }: SignInAnswer): Promise<SignInRow> {
    const row = await this.#context.database.entities(async (em) => {
      const found = await em.findOne(SignInEntity, {
        state: hashOf(state),
        browser: hashOf(browser),
        provider,
        expiresAt: { $gt: nowOf(this.#context) },
      });
      if (!found) return undefined;
      const taken = await em.nativeDelete(SignInEntity, { state: found.state });
      return taken === 1 ? found : undefined;
    });
    if (!row) throw new AppError('SIGN_IN_FAILED', { data: { reason: 'UNKNOWN_STATE' } });
    return row;
  }

  /** Nothing is known to have been made of the code: the call, or the browser, may ask again. */
  async #putBack({
    state,
    provider,
    nonce,
    codeVerifier,
    browser,
    returnTo,
    expiresAt,
  }: SignInRow): Promise<void> {
    const row = { state, provider, nonce, codeVerifier, browser, returnTo: returnTo ?? null, expiresAt };
    await this.#context.database.entities(async (em) => {
      em.create(SignInEntity, row, { persist: true });
    });
  }
}
