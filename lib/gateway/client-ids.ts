import { MAX_CLIENT_IDS, MAX_CLIENTS_LENGTH, type PresenceClients } from '../protocol/presence.ts';
import type { Subscription } from './hosted-document.ts';

/** The awareness client ids of one connection, by its documents; bounded, since it is told to everybody in the room. */
export function clientIdsOf(subscriptions: Iterable<Subscription>): PresenceClients[] {
  const clients: PresenceClients[] = [];
  let [ids, length] = [0, 0];
  for (const subscription of subscriptions) {
    const { awareness, address } = subscription.document;
    const { docId, subdocId } = address;
    const own = awareness.of(subscription).slice(0, MAX_CLIENT_IDS.connection - ids);
    if (own.length === 0) continue;
    length += docId.length + (subdocId?.length ?? 0);
    if (length > MAX_CLIENTS_LENGTH) break;
    ids += own.length;
    const clientIds = own.map(({ clientId }) => clientId);
    clients.push(subdocId === undefined ? { docId, clientIds } : { docId, subdocId, clientIds });
  }
  return clients;
}
