import { createClient } from 'redis';

const CONNECT_TIMEOUT_MS = 5_000;
const MAX_RETRY_MS = 2_000;

export type RedisClient = ReturnType<typeof createClient>;

/** One for commands, which fail at once while Redis is away, and one that listens, whose subscriptions wait for it. */
export function openRedisClients(url: string, onError: (error: unknown) => void) {
  const client = createClient({
    url,
    disableOfflineQueue: true,
    socket: { connectTimeout: CONNECT_TIMEOUT_MS, reconnectStrategy: retryAfterMs },
  });
  const subscriber = client.duplicate({ disableOfflineQueue: false });
  for (const opened of [client, subscriber]) opened.on('error', onError);
  return { client, subscriber };
}

/** What was sent before is still taken; a server that is away is not waited for. */
export async function closeRedisClients(clients: readonly RedisClient[]): Promise<void> {
  for (const client of clients) {
    if (client.isReady) await client.close();
    else client.destroy();
  }
}

function retryAfterMs(retries: number): number {
  return Math.min(MAX_RETRY_MS, 50 * 2 ** retries);
}
