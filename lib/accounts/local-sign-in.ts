import { randomBytes } from 'node:crypto';
import { LOCAL_PROVIDER } from '../config-accounts.ts';
import { AppError } from '../errors.ts';
import { profileOf } from './profile.ts';
import type { Challenge, ProviderView, SignInProviders } from './providers.ts';
import type { Profile } from './users.ts';

/** The page that asks for the name (web/public); it goes on to the callback with `state` and `name`. */
export const LOCAL_SIGN_IN_PAGE = '/sign-in.html';

const VIEW: ProviderView = { name: LOCAL_PROVIDER, label: 'a name only' };
const RANDOM_BYTES = 32;

/**
 * The providers, and one more, `local`: a page of this server that asks for a name and believes it. The same name is
 * the same account. Its answers are bound to the browser and used once, like those of any provider.
 */
export function withLocalSignIn(others: SignInProviders): SignInProviders {
  return {
    list: () => [VIEW, ...others.list()],
    async challenge(name) {
      if (name !== LOCAL_PROVIDER) return others.challenge(name);
      // Nothing comes back signed; the columns want them.
      return { nonce: randomText(), codeVerifier: randomText() };
    },
    async urlOf(name, challenge, redirectUri) {
      return name === LOCAL_PROVIDER
        ? pageUrl(challenge, redirectUri)
        : others.urlOf(name, challenge, redirectUri);
    },
    async profileOf(name, challenge, callbackUrl) {
      return name === LOCAL_PROVIDER
        ? localProfile(callbackUrl)
        : others.profileOf(name, challenge, callbackUrl);
    },
  };
}

function pageUrl({ state }: Challenge, redirectUri: string): string {
  const url = new URL(LOCAL_SIGN_IN_PAGE, redirectUri);
  url.searchParams.set('state', state);
  return url.href;
}

/** Rejects with SIGN_IN_FAILED for what is no name. */
function localProfile(callbackUrl: string): Profile {
  const given = (new URL(callbackUrl).searchParams.get('name') ?? '').normalize('NFKC');
  if (!/[\p{L}\p{N}]/u.test(given) || given.includes('@'))
    throw new AppError('SIGN_IN_FAILED', { data: { provider: LOCAL_PROVIDER, reason: 'NO_NAME' } });
  const profile = profileOf(LOCAL_PROVIDER, { sub: '', name: given.replace(/\s+/g, ' ') });
  // However it is written, with capitals or without.
  return { ...profile, subject: profile.name.toLowerCase() };
}

function randomText(): string {
  return randomBytes(RANDOM_BYTES).toString('base64url');
}
