import { MAX_CLIENT_IDS, type PresenceClients } from '../protocol/presence.ts';

export function isSameClients(a: readonly PresenceClients[], b: readonly PresenceClients[]): boolean {
  return (
    a.length === b.length &&
    a.every(({ docId, subdocId, clientIds }, at) => {
      const other = b[at]!;
      const isSameDocument = docId === other.docId && subdocId === other.subdocId;
      return isSameDocument && clientIds.join() === other.clientIds.join();
    })
  );
}

/** The client ids of several connections as those of one person, each once for a document; bounded. */
export function mergeClients(
  connections: readonly { clients: readonly PresenceClients[] }[],
): PresenceClients[] {
  const documents = new Map<string, { docId: string; subdocId?: string; clientIds: number[] }>();
  let count = 0;
  for (const { docId, subdocId, clientIds } of connections.flatMap(({ clients }) => clients)) {
    // No id has a control character.
    const key = `${docId}\n${subdocId ?? ''}`;
    const merged = documents.get(key) ?? {
      docId,
      ...(subdocId === undefined ? {} : { subdocId }),
      clientIds: [],
    };
    for (const id of clientIds) {
      if (merged.clientIds.includes(id) || count === MAX_CLIENT_IDS.person) continue;
      merged.clientIds.push(id);
      count++;
    }
    if (merged.clientIds.length > 0) documents.set(key, merged);
  }
  return [...documents.values()];
}
