import type { TokenVerifier } from '../accounts/tokens.ts';
import { AppError } from '../errors.ts';
import type { Runtime } from './runtime.ts';

const verifiers = new WeakMap<Runtime, TokenVerifier>();

const nobody: TokenVerifier = () => Promise.reject(new AppError('UNAUTHENTICATED'));

/** By this the process tells whose an access token is. */
export function provideTokenVerifier(runtime: Runtime, verify: TokenVerifier): void {
  verifiers.set(runtime, verify);
}

/** Until one is provided, no token proves anything. */
export function tokenVerifierOf(runtime: Runtime): TokenVerifier {
  return verifiers.get(runtime) ?? nobody;
}
