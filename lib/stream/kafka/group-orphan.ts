import { Admin } from '@platformatic/kafka';
import { surviveSocketErrors } from './broker-connections.ts';
import type { ClusterClient } from './cluster-client.ts';
import { reasonOf } from './errors.ts';
import type { KafkaSettings } from './settings.ts';

const RETRIES = 3;
const RETRY_PAUSE_MS = 200;
const TIMEOUT_MS = 2000;

/**
 * Takes a member out of its group whose consumer has crashed while Kafka was away: it could not leave, and whoever
 * joins would wait for it until its session ends. Best effort.
 */
export async function removeMember(
  { settings, cluster }: { settings: KafkaSettings; cluster: ClusterClient },
  groupId: string,
  memberId: string,
): Promise<void> {
  const { clientId, logger } = settings;
  const admin = new Admin({
    clientId: `${clientId}-leave`,
    bootstrapBrokers: [...cluster.addresses],
    retries: RETRIES,
    retryDelay: RETRY_PAUSE_MS,
    connectTimeout: TIMEOUT_MS,
    requestTimeout: TIMEOUT_MS,
  });
  surviveSocketErrors(admin.connections);
  try {
    await admin.removeMembersFromConsumerGroup({ groupId, members: [{ memberId }] });
  } catch (error) {
    logger.debug(
      { group: groupId, reason: reasonOf(error) },
      'crashed member not removed; its session ends it',
    );
  } finally {
    await admin.close().catch((error: unknown) => {
      logger.debug({ reason: reasonOf(error) }, 'kafka connections not closed in order');
    });
  }
}
