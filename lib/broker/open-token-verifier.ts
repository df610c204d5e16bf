import { createRemoteJWKSet, type JSONWebKeySet } from 'jose';
import type { ServiceBroker } from 'moleculer';
import { createKeySource } from '../accounts/key-source.ts';
import { createTokenVerifier } from '../accounts/tokens.ts';
import { tokenNamesOf } from './auth-of.ts';
import type { Runtime } from './runtime.ts';
import { provideTokenVerifier } from './token-verifier.ts';

/** Key sets are small: who does not answer in this time is away. */
const LIMIT_MS = 4_000;
const FRESH_MS = 10 * 60_000;
/** An unknown key is a reason to ask again, but not more often than this. */
const INTERVAL_MS = 5_000;

/** Tokens are checked from here on: by the keys of the auth service, or of the other product. */
export function openTokenVerifier(broker: Pick<ServiceBroker, 'call'>, runtime: Runtime): void {
  const { config, clock, logger } = runtime;
  const names = tokenNamesOf(config);
  if (config.auth === 'accounts') {
    const load = () => broker.call<JSONWebKeySet, object>('auth.keys.list', {}, { timeout: LIMIT_MS });
    const keys = createKeySource({ load, clock, logger });
    provideTokenVerifier(runtime, createTokenVerifier({ keys, clock, kind: 'own', ...names }));
  }
  if (config.auth === 'jwt') {
    const keys = createRemoteJWKSet(new URL(config.jwksUrl), {
      timeoutDuration: LIMIT_MS,
      cooldownDuration: INTERVAL_MS,
      cacheMaxAge: FRESH_MS,
    });
    provideTokenVerifier(runtime, createTokenVerifier({ keys, clock, kind: 'foreign', ...names }));
  }
}
