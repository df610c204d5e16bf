import { REMOVED_STATE, type AwarenessState } from '../protocol/awareness.ts';
import { Subscription } from './hosted-document.ts';

export interface AwarenessClaim {
  /** Who announces the client id, or withdraws it. */
  subscription: Subscription;
  /** That of this gateway, or the gateway, which has it now. */
  owner: object | string | undefined;
  /** The person who announces it at any gateway, as far as it is known. */
  announcer: () => string | undefined;
}

/**
 * A client id belongs to the connection that brought it. Another connection of this gateway may take it over only as
 * the same provider (after a reconnect). One of another gateway may have moved here, which its higher clock shows: that
 * only its own person can do. Without accounts nobody is known to be another person.
 */
export function mayTake(
  { state }: AwarenessState,
  { subscription, owner, announcer }: AwarenessClaim,
): boolean {
  if (owner === subscription) return true;
  if (owner instanceof Subscription) return owner.owner === subscription.owner;
  const { userId } = subscription.identity;
  const known = userId === undefined ? undefined : announcer();
  if (known !== undefined && known !== userId) return false;
  return owner === undefined || state !== REMOVED_STATE;
}
