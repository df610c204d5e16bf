/** Packets that every node of a namespace hears. */
const BROADCAST_PACKETS = ['DISCOVER', 'INFO', 'DISCONNECT', 'HEARTBEAT', 'PING'] as const;
/** Packets to one node. */
const NODE_PACKETS = ['EVENT', 'REQ', 'RES', 'DISCOVER', 'INFO', 'PING', 'PONG'] as const;

const prefixOf = (namespace: string) => (namespace === '' ? 'MOL' : `MOL-${namespace}`);

/** Where packets of a kind go: to every node of the namespace, or to one. */
export function transporterTopic(namespace: string, packet: string, nodeId?: string): string {
  return nodeId === undefined
    ? `${prefixOf(namespace)}.${packet}`
    : `${prefixOf(namespace)}.${packet}.${nodeId}`;
}

/** The topics of one node. */
export function nodeTopics(namespace: string, nodeId: string): string[] {
  return NODE_PACKETS.map((packet) => transporterTopic(namespace, packet, nodeId));
}

/** Names of the topics that Moleculer's Kafka transporter uses: 5 of the namespace, 7 of the node. */
export function transporterTopics(namespace: string, nodeId: string): string[] {
  return [
    ...BROADCAST_PACKETS.map((packet) => transporterTopic(namespace, packet)),
    ...nodeTopics(namespace, nodeId),
  ];
}

/** The node whose topic it is; undefined for any other topic. */
export function nodeOfTopic(namespace: string, topic: string): string | undefined {
  const [prefix, packet, node, ...rest] = topic.split('.');
  const isOfNode = NODE_PACKETS.some((known) => known === packet) && rest.length === 0;
  return prefix === prefixOf(namespace) && isOfNode ? node : undefined;
}

/**
 * The consumer group of one start of a node. One for each start, since with a fixed one a restart after a kill
 * waits a minute for the dead member; named so that the node finds those of its former starts.
 */
export function transporterGroup(namespace: string, nodeId: string, start: string): string {
  return `${prefixOf(namespace)}.NODE.${nodeId}.${start}`;
}

/** The node whose group it is; undefined for any other group. */
export function nodeOfGroup(namespace: string, group: string): string | undefined {
  const [prefix, kind, node, start, ...rest] = group.split('.');
  const isOfNode = kind === 'NODE' && start !== undefined && rest.length === 0;
  return prefix === prefixOf(namespace) && isOfNode ? node : undefined;
}
