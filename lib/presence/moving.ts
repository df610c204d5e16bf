import type { PresenceClients } from '../protocol/presence.ts';

/** A connection of a person, as every gateway knows it. */
export interface KnownConnection {
  gateway: string;
  clients: readonly PresenceClients[];
  /** It was asked to go on at another gateway, and has not been seen there yet. */
  moving: boolean;
}

/** A connection that was moving and stands there again as another one. */
export interface ReplacedConnection {
  gateway: string;
  connectionId: string;
  /** The gateway where it has come back. */
  by: string;
}

type Connections = ReadonlyMap<string, KnownConnection>;

/**
 * Those of a person's connections that have come back, now that one of them has changed. One that had announced
 * awareness client ids comes back with them, whatever is heard first; any other as the next new connection.
 */
export function replacedOf(
  connections: Connections,
  { connectionId, isNew }: { connectionId: string; isNew: boolean },
): ReplacedConnection[] {
  const newcomer = connections.get(connectionId);
  let isFree = isNew && newcomer?.moving === false;
  const replaced: ReplacedConnection[] = [];
  // Nearly always there is none.
  for (const [id, { gateway, clients, moving }] of connections) {
    if (!moving) continue;
    const by = clients.length > 0 ? whoHas(clients, connections) : isFree ? newcomer : undefined;
    if (!by) continue;
    if (clients.length === 0) isFree = false;
    replaced.push({ gateway, connectionId: id, by: by.gateway });
  }
  return replaced;
}

function whoHas(clients: readonly PresenceClients[], connections: Connections): KnownConnection | undefined {
  for (const connection of connections.values())
    if (!connection.moving && hasOneOf(connection.clients, clients)) return connection;
  return undefined;
}
function hasOneOf(clients: readonly PresenceClients[], wanted: readonly PresenceClients[]): boolean {
  return wanted.some(({ docId, subdocId, clientIds }) =>
    clients.some(
      (own) =>
        own.docId === docId &&
        own.subdocId === subdocId &&
        own.clientIds.some((clientId) => clientIds.includes(clientId)),
    ),
  );
}
