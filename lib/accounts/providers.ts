import * as openid from 'openid-client';
import type { Clock } from '../clock.ts';
import type { ProviderSettings } from '../config-accounts.ts';
import { AppError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { profileOf } from './profile.ts';
import type { Profile } from './users.ts';

/** What a provider says of itself is asked for again after so long. */
const DISCOVERED_MS = 3_600_000;
const TIMEOUT_SECONDS = 8;
const TOLERANCE_SECONDS = 5;

/** One sign-in: what proves that the answer belongs to the question. */
export interface Challenge {
  state: string;
  nonce: string;
  codeVerifier: string;
}

export interface ProviderView {
  name: string;
  label: string;
}

/** Where people prove who they are. Every method rejects with PROVIDER_NOT_FOUND for a name that it does not know. */
export interface SignInProviders {
  list(): ProviderView[];
  challenge(name: string): Promise<Omit<Challenge, 'state'>>;
  /** Where the person goes. Rejects with PROVIDER_UNAVAILABLE. */
  urlOf(name: string, challenge: Challenge, redirectUri: string): Promise<string>;
  /**
   * Who has come back with this address. Rejects with SIGN_IN_FAILED for everything that proves nothing, with
   * PROVIDER_UNAVAILABLE.
   */
  profileOf(name: string, challenge: Challenge, callbackUrl: string): Promise<Profile>;
}

/** The OpenID providers of the configuration: authorization code flow with PKCE (S256), state and nonce. */
export class Providers implements SignInProviders {
  readonly #settings: ReadonlyMap<string, ProviderSettings>;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #discovered = new Map<string, { configuration: Promise<openid.Configuration>; atMs: number }>();

  constructor(settings: readonly ProviderSettings[], { clock, logger }: { clock: Clock; logger: Logger }) {
    this.#settings = new Map(settings.map((each) => [each.name, each]));
    this.#clock = clock;
    this.#logger = logger;
  }

  list(): ProviderView[] {
    return [...this.#settings.values()].map(({ name, label }) => ({ name, label }));
  }

  async challenge(name: string): Promise<Omit<Challenge, 'state'>> {
    this.#require(name);
    return { nonce: openid.randomNonce(), codeVerifier: openid.randomPKCECodeVerifier() };
  }

  async urlOf(name: string, { state, nonce, codeVerifier }: Challenge, redirectUri: string): Promise<string> {
    const { scope } = this.#require(name);
    const configuration = await this.#discover(name);
    const url = openid.buildAuthorizationUrl(configuration, {
      redirect_uri: redirectUri,
      scope,
      state,
      nonce,
      code_challenge: await openid.calculatePKCECodeChallenge(codeVerifier),
      code_challenge_method: 'S256',
    });
    return url.href;
  }

  async profileOf(name: string, challenge: Challenge, callbackUrl: string): Promise<Profile> {
    this.#require(name);
    const configuration = await this.#discover(name);
    try {
      const tokens = await openid.authorizationCodeGrant(configuration, new URL(callbackUrl), {
        expectedState: challenge.state,
        expectedNonce: challenge.nonce,
        pkceCodeVerifier: challenge.codeVerifier,
        idTokenExpected: true,
      });
      const claims = tokens.claims()!;
      const isComplete = claims.name !== undefined && claims.email !== undefined;
      const hasMore = configuration.serverMetadata().userinfo_endpoint !== undefined;
      const more =
        !isComplete && hasMore
          ? await openid.fetchUserInfo(configuration, tokens.access_token, claims.sub)
          : {};
      return profileOf(name, { ...claims, ...more, sub: claims.sub });
    } catch (error) {
      throw this.#explain(name, error);
    }
  }

  #require(name: string): ProviderSettings {
    const settings = this.#settings.get(name);
    if (!settings) throw new AppError('PROVIDER_NOT_FOUND');
    return settings;
  }

  /** A failed one is forgotten, so that the next sign-in asks again. */
  #discover(name: string): Promise<openid.Configuration> {
    const nowMs = this.#clock.now();
    const known = this.#discovered.get(name);
    if (known && nowMs - known.atMs < DISCOVERED_MS) return known.configuration;
    const configuration = discover(this.#require(name)).catch((error: unknown) => {
      this.#discovered.delete(name);
      this.#logger.warn(
        { provider: name, reason: reasonOf(error) },
        'provider cannot be asked for its settings',
      );
      throw new AppError('PROVIDER_UNAVAILABLE', { data: { provider: name } });
    });
    this.#discovered.set(name, { configuration, atMs: nowMs });
    return configuration;
  }

  /** Errors of the library hold tokens and claims: only their codes go on. */
  #explain(provider: string, error: unknown): AppError {
    const reason = reasonOf(error);
    if (isAway(error)) {
      this.#logger.warn({ provider, reason }, 'provider does not answer');
      return new AppError('PROVIDER_UNAVAILABLE', { data: { provider } });
    }
    // Who changes her mind is no trouble.
    if (!(error instanceof openid.AuthorizationResponseError))
      this.#logger.warn({ provider, reason }, 'sign-in failed at the provider');
    return new AppError('SIGN_IN_FAILED', { data: { provider, reason } });
  }
}

async function discover(settings: ProviderSettings): Promise<openid.Configuration> {
  const issuer = new URL(settings.issuer);
  const metadata: Partial<openid.ClientMetadata> = { [openid.clockTolerance]: TOLERANCE_SECONDS };
  const { clientId, clientSecret } = settings;
  return openid.discovery(
    issuer,
    clientId,
    metadata,
    clientSecret === '' ? openid.None() : openid.ClientSecretPost(clientSecret),
    {
      timeout: TIMEOUT_SECONDS,
      // The configuration takes http on loopback only.
      ...(issuer.protocol === 'http:' ? { execute: [openid.allowInsecureRequests] } : {}),
    },
  );
}

/** No answer at all, or one of a server in trouble, which a proxy may give in the provider's place. */
function isAway(error: unknown): boolean {
  if (error instanceof openid.ResponseBodyError) return error.status >= 500;
  if (error instanceof openid.AuthorizationResponseError) return error.error === 'temporarily_unavailable';
  const { name, cause } = (error ?? {}) as { name?: unknown; cause?: unknown };
  if (cause instanceof Response) return cause.status >= 500;
  // By name: what `fetch` throws may be of another realm, and is wrapped by the library then.
  if (name === 'TypeError' && cause !== undefined) return true;
  if (name === 'TimeoutError' || reasonOf(error) === 'OAUTH_TIMEOUT') return true;
  return name === 'ClientError' && isAway(cause);
}

function reasonOf(error: unknown): string {
  const { error: answer, code, name } = (error ?? {}) as { error?: unknown; code?: unknown; name?: unknown };
  const reason = [answer, code, name].find((each) => typeof each === 'string') ?? 'unknown';
  return String(reason).slice(0, 64);
}
