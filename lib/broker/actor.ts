import type { Context } from 'moleculer';
import type { Principal } from '../accounts/principal.ts';
import { AppError } from '../errors.ts';

/** What the gateway hands to every action beside its params. */
export interface CallMeta {
  /** Proven by the gateway; absent when nobody has signed in. */
  principal?: Principal;
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * The account that acts. Rejects with UNAUTHENTICATED without a principal, with FORBIDDEN for one that is no person
 * with an account here.
 */
export function actorOf({ meta }: Context<unknown, CallMeta>): string {
  const { principal } = meta;
  if (!principal) throw new AppError('UNAUTHENTICATED');
  if (principal.kind !== 'user' || !UUID.test(principal.userId))
    throw new AppError('FORBIDDEN', { message: 'Only people with an account here may do this.' });
  return principal.userId;
}
