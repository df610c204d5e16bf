import { hostname } from 'node:os';
import type { Middleware, ServiceBroker } from 'moleculer';
import type { AppError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { nodeIdTaken, type ClaimQuestion, type NodeHolder } from '../stream/kafka/transporter-claim.ts';

export interface NodeClaimParts {
  logger: Logger;
  /** Asks whether another process lives under this node id; the place of this claim. Rejects when one answers. */
  claim: (instanceId: string) => Promise<number>;
  /** An older process has been heard after all: this one has to leave. Called once. */
  onLost: (error: AppError) => void;
}

interface Packet {
  type?: string;
  payload: Partial<ClaimQuestion> & {
    sender?: string;
    instanceID?: string;
    hostname?: string;
    metadata?: { claimOrder?: unknown };
  };
}

interface Discoverer {
  sendLocalNodeInfo(nodeId: string): Promise<void>;
}

/**
 * One process for each node id. Moleculer ends the older of two; here the older one stays: a new process asks before
 * it connects, and leaves when it is answered. When the answer came too late, the claim that is earlier in the log
 * wins. The one that leaves says nothing more over the transporter, since all that it says is taken for the other's.
 */
export function holdNodeId({ logger, claim, onLost }: NodeClaimParts): Middleware {
  let broker: ServiceBroker;
  let claimed: Promise<number> | undefined;
  let order = Infinity;
  let isLost = false;
  const warned = new Set<string>();

  const tellOther = () => {
    const { discoverer } = broker.registry as unknown as { discoverer: Discoverer };
    void discoverer.sendLocalNodeInfo(broker.nodeID);
  };
  const meet = (other: NodeHolder, otherOrder: unknown) => {
    if (typeof otherOrder === 'number' && otherOrder < order) {
      isLost = true;
      onLost(nodeIdTaken(broker.nodeID, other, { instanceId: broker.instanceID, host: hostname() }));
      return;
    }
    tellOther();
    if (warned.has(other.instanceId)) return;
    warned.add(other.instanceId);
    logger.warn({ other, own: broker.instanceID }, 'another process uses this node id: it has to leave');
  };
  /** True when the packet was about the node id, and nothing else has to see it. */
  const takes = (command: string, { payload }: Packet): boolean => {
    if (payload?.sender !== broker.nodeID) return false;
    const instance =
      command === 'INFO' ? payload.instanceID : command === 'PING' ? payload.claimant : undefined;
    if (instance === undefined || instance === broker.instanceID) return false;
    if (isLost) return true;
    if (command === 'PING') tellOther();
    else meet({ instanceId: instance, host: payload.hostname ?? '' }, payload.metadata?.claimOrder);
    return true;
  };

  return {
    name: 'HoldNodeId',
    created(made: ServiceBroker) {
      broker = made;
      // Asked while the services are being loaded; a refusal is reported by `starting`.
      claimed = claim(made.instanceID);
      claimed.catch(() => undefined);
    },
    async starting() {
      order = await claimed!;
      broker.metadata.claimOrder = order;
    },
    transitMessageHandler: (next: (command: string, packet: Packet) => unknown) =>
      function handle(this: unknown, command: string, packet: Packet) {
        return takes(command, packet) ? Promise.resolve(true) : next.call(this, command, packet);
      },
    transitPublish: (next: (packet: Packet) => unknown) =>
      function publish(this: unknown, packet: Packet) {
        return isLost ? Promise.resolve() : next.call(this, packet);
      },
    // Moleculer's types describe what these hooks return as what they are.
  } as unknown as Middleware;
}
