import type { Clock } from '../clock.ts';
import type { Config } from '../config.ts';
import type { Logger } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import type { PresenceBus, PresenceBusEvents } from '../presence/bus.ts';
import { SharedPresence } from '../presence/shared-presence.ts';
import { DEFAULT_LIMITS, type ProtocolLimits } from '../protocol/limits.ts';
import type { Stream } from '../stream/port.ts';
import type { TopicResolver } from '../stream/topics.ts';
import type { SyncSource } from '../sync/port.ts';
import { AccessEnforcement } from './access-enforcement.ts';
import { Appender } from './appender.ts';
import { AwarenessChannel } from './awareness-channel.ts';
import { ChunkTurns } from './chunk-turns.ts';
import type { ClientSession } from './client-session.ts';
import { ControlClosing } from './control-closing.ts';
import { DocumentHosts } from './document-hosts.ts';
import { FanOut } from './fan-out.ts';
import { gatewayMetrics, type GatewayMetrics } from './gateway-metrics.ts';
import type { HostedDocument } from './hosted-document.ts';
import { Inbound } from './inbound.ts';
import { Joins } from './joins.ts';
import { LogWatch } from './log-watch.ts';
import type { AccessControl, RoomRegistry } from './port.ts';
import { PresenceDoor } from './presence-door.ts';
import { PresenceTopic } from './presence-topic.ts';
import { RateLimits } from './rate-limits.ts';
import { DefaultRoomRegistry } from './room-registry.ts';
import type { RoomRoles } from './room-roles.ts';
import { StateDelivery } from './state-delivery.ts';
import type { UpdateChecker } from './update-check.ts';
import { UpdateAttempts } from './update-attempts.ts';
import { UpdateDoor } from './update-door.ts';

export interface GatewayParts {
  config: Config;
  clock: Clock;
  logger: Logger;
  stream: Stream;
  topics: TopicResolver;
  sync: SyncSource;
  access: AccessControl;
  checker: UpdateChecker;
  /** Roles of people in rooms, whose changes are heard on the control topic; without it the rights of a connection last. */
  roles?: RoomRoles;
  /** Asked for the ids of ended sessions and revoked service tokens, which are heard on the control topic too. */
  revokedTokens?: () => Promise<readonly string[]>;
  /** Where gateways tell each other who is there; the awareness topics when it is left out. */
  presenceBus?: (gatewayId: string, events: PresenceBusEvents) => PresenceBus;
  randomId: () => string;
  metrics?: Metrics;
  registry?: RoomRegistry<HostedDocument>;
}

/** A document and a follow without subscriptions last this long: a page that is loaded again finds them. */
const LINGER_MS = 10_000;
const MAKE_TOPIC_INTERVAL_MS = 50;

/** The members of a gateway, which know each other. */
export interface GatewayAssembly {
  registry: RoomRegistry<HostedDocument>;
  sessions: Set<ClientSession>;
  hosts: DocumentHosts;
  awareness: AwarenessChannel;
  people: SharedPresence;
  presence: PresenceDoor;
  fanOut: FanOut;
  joins: Joins;
  closing: ControlClosing;
  enforcement: AccessEnforcement | undefined;
  states: StateDelivery;
  inbound: Inbound;
  attempts: UpdateAttempts;
  watch: LogWatch;
  rates: RateLimits;
  turns: ChunkTurns;
  metrics: GatewayMetrics;
}

/** Makes them; nothing runs yet. */
export function assembleGateway(parts: GatewayParts): GatewayAssembly {
  const { config, clock, stream, topics } = parts;
  const { beatTimeoutMs } = config;
  const registry = parts.registry ?? new DefaultRoomRegistry<HostedDocument>();
  const metrics = gatewayMetrics(parts.metrics);
  const rates = new RateLimits(config);
  const sessions = new Set<ClientSession>();
  const gatewayId = parts.randomId();
  const shared = { ...parts, registry, lingerMs: LINGER_MS, limits: limitsOf(config), metrics, rates };
  const watch = new LogWatch({ ...parts, probe: (target) => stream.endOffset(target) });
  const appender = new Appender({
    ...shared,
    controlTopic: topics.controlTopic,
    knownTopics: topics.staticTopics.map(({ topic }) => topic),
    makeIntervalMs: MAKE_TOPIC_INTERVAL_MS,
    maxMakeWaitMs: config.appendTimeoutMs,
  });
  const fanOut: FanOut = new FanOut({
    clock,
    metrics,
    flushAwareness: (document) => awareness.flush(document),
    onUnbased: (document) => resumeAll(states, document, 'live'),
    onDeleted: (document) => closing.close(document),
  });
  const awareness: AwarenessChannel = new AwarenessChannel({
    ...shared,
    appender,
    gatewayId,
    beatTimeoutMs,
    onChanged: (document) => fanOut.schedule(document),
    onClientIds: (subscription) => presence.regrouped(subscription),
    announcerOf: ({ id }, clientId) => people.announcerOf(id, clientId),
  });
  const presence: PresenceDoor = new PresenceDoor({ ...shared, presence: () => people });
  const people: SharedPresence = new SharedPresence({
    ...shared,
    gatewayId,
    beatTimeoutMs,
    openBus: (events) =>
      parts.presenceBus?.(gatewayId, events) ??
      new PresenceTopic({ ...shared, appender, channel: awareness, gatewayId, events }),
    onChange: (room, change) => presence.changed(room, change),
  });
  const hosts = new DocumentHosts({
    ...shared,
    ringBytes: config.ringBytes,
    documentFramesPerSecond: config.documentFramesPerSecond,
    onEvent: (document) => fanOut.schedule(document),
    onReset: (document) => resumeAll(states, document, 'all'),
  });
  const states: StateDelivery = new StateDelivery({
    ...shared,
    ...config,
    onState(subscription) {
      awareness.sendAll(subscription);
      presence.entered(subscription);
    },
    onEvent: ({ document }) => fanOut.schedule(document),
    onDeleted: ({ document }) => closing.close(document),
  });
  const joins = new Joins({
    ...shared,
    ...config,
    hosts,
    states,
    onSubscribed: ({ document }) => awareness.open(document),
    onLeft(subscription) {
      const how = subscription.isMoving ? 'moved' : 'left';
      awareness[how](subscription);
      presence[how](subscription);
    },
  });
  const enforcement = parts.roles && enforcementOf({ ...parts, roles: parts.roles, sessions, joins });
  const closing: ControlClosing = new ControlClosing({
    ...shared,
    controlTopic: topics.controlTopic,
    sessions,
    joins,
    onRecord: (record) => enforcement?.onRecord(record),
    onGap: () => enforcement?.onGap(),
  });
  const { appendTimeoutMs } = config;
  const attempts = new UpdateAttempts({ ...shared, appender, watch, appendTimeoutMs });
  const maxWaitingBytes = Math.max(config.maxQueueBytes, 2 * config.maxUpdateBytes);
  const updates = new UpdateDoor({ ...shared, attempts, maxWaitingBytes });
  const inbound = new Inbound({ ...shared, states, awareness, updates });
  registry.onRemove((document) => awareness.close(document));
  const known = {
    registry,
    sessions,
    hosts,
    awareness,
    people,
    presence,
    fanOut,
    joins,
    closing,
    enforcement,
  };
  return { ...known, states, inbound, attempts, watch, rates, turns: new ChunkTurns(clock), metrics };
}

function enforcementOf(
  parts: GatewayParts & { roles: RoomRoles; sessions: Set<ClientSession>; joins: Joins },
): AccessEnforcement {
  const { config, stream, topics, randomId } = parts;
  return new AccessEnforcement({
    ...parts,
    append: (record) => stream.append({ topic: topics.controlTopic, partition: 0 }, [record]),
    id: randomId(),
    ttlMs: config.accessTtlMs,
    graceMs: config.accessGraceMs,
  });
}

/** Every subscription needs a state of the gateway's own; those under way get one anyway. */
function resumeAll(states: StateDelivery, document: HostedDocument, which: 'live' | 'all'): void {
  for (const subscription of [...document.subscriptions]) {
    if (which === 'live' && !subscription.isLive) continue;
    subscription.isLive = false;
    states.resume(subscription);
  }
}

function limitsOf(config: Config): ProtocolLimits {
  return {
    maxMetadataBytes: config.maxMetadataBytes,
    maxIdBytes: DEFAULT_LIMITS.maxIdBytes,
    maxUpdateBytes: config.maxUpdateBytes,
    maxFrameBytes: config.maxFrameBytes,
    maxDocumentsPerSocket: config.maxDocumentsPerSocket,
  };
}
