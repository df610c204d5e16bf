import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, it } from '@jest/globals';
import { systemClock } from '../../lib/clock.ts';
import { AppError } from '../../lib/errors.ts';
import { Appender } from '../../lib/gateway/appender.ts';
import { AwarenessChannel } from '../../lib/gateway/awareness-channel.ts';
import { gatewayMetrics } from '../../lib/gateway/gateway-metrics.ts';
import type { HostedDocument } from '../../lib/gateway/hosted-document.ts';
import { PresenceTopic } from '../../lib/gateway/presence-topic.ts';
import { DefaultRoomRegistry } from '../../lib/gateway/room-registry.ts';
import { silentLogger } from '../../lib/log.ts';
import { AskedGateways, type Gateways } from '../../lib/presence/asked-gateways.ts';
import type { OnRoomChange, Presence } from '../../lib/presence/port.ts';
import { sliceOf, type PeopleSlice, type PeopleWindow } from '../../lib/presence/reader.ts';
import { SharedPresence } from '../../lib/presence/shared-presence.ts';
import { createEmbeddedStream } from '../../lib/stream/embedded.ts';
import type { Stream } from '../../lib/stream/port.ts';
import { createTopicResolver } from '../../lib/stream/topic-resolver.ts';
import type { RoomOfTenant } from '../../lib/stream/topics.ts';
import { waitFor } from '../support/wait.ts';
import { TIMEOUT_MS, type PresenceNode } from './presence-gateway.ts';
import { presenceChecks, runPresenceCheck } from './presence.suite.ts';
import { readerChecks, runReaderCheck, type ReaderMedium } from './presence-reader.suite.ts';

const cleanups: (() => Promise<void>)[] = [];
const TOUCH = { key: 'touch', value: new Uint8Array(), headers: {} };

/** Gateways over one embedded log. */
async function openMedium(pattern: string): Promise<ReaderMedium> {
  const folder = await mkdtemp(join(tmpdir(), 'ykafka-presence-'));
  const log = await createEmbeddedStream({
    file: join(folder, 'log.sqlite'),
    clock: systemClock,
    logger: silentLogger,
    maxRecordBytes: 1024 * 1024,
    bufferBytes: 1024 * 1024,
  });
  cleanups.push(async () => {
    await log.close();
    await rm(folder, { recursive: true, force: true });
  });
  const topics = createTopicResolver({ pattern, partitions: 2 });
  await log.ensureTopics(topics.staticTopics);
  let isAway = false;
  const asked = new AskedNodes(() => isAway);
  return {
    open: async (onChange, beatTimeoutMs = TIMEOUT_MS) =>
      asked.add(openNode({ log, topics, isAway: () => isAway, onChange, beatTimeoutMs })),
    openReader: async () => new AskedGateways(asked),
    touch: () => log.append({ topic: topics.controlTopic, partition: 0 }, [TOUCH]),
    forget: async () => asked.clear(),
    outage: async (forMs) => {
      isAway = true;
      const until = performance.now() + forMs;
      await waitFor(() => performance.now() >= until, { what: 'the end of the outage' });
      isAway = false;
    },
  };
}

/** What the presence service finds of the gateways: a dead one is known as such after a while. */
class AskedNodes implements Gateways {
  readonly #isAway: () => boolean;
  readonly #nodes = new Map<string, { node: PresenceNode; killedAtMs: number }>();

  constructor(isAway: () => boolean) {
    this.#isAway = isAway;
  }

  add(node: PresenceNode): PresenceNode {
    const asked = { node, killedAtMs: Infinity };
    this.#nodes.set(String(this.#nodes.size), asked);
    const kill = () => {
      asked.killedAtMs = performance.now();
      node.kill();
    };
    return { presence: node.presence, kill };
  }

  clear(): void {
    this.#nodes.clear();
  }

  ids(): string[] {
    const knownDead = performance.now() - TIMEOUT_MS;
    return [...this.#nodes].filter(([, { killedAtMs }]) => killedAtMs > knownDead).map(([id]) => id);
  }

  async people(id: string, room: RoomOfTenant, window: PeopleWindow): Promise<PeopleSlice> {
    return sliceOf(this.#ask(id).people(room), window);
  }

  async count(id: string, rooms: readonly RoomOfTenant[]): Promise<number[]> {
    const presence = this.#ask(id);
    return rooms.map((room) => presence.people(room).length);
  }

  #ask(id: string): Presence {
    const { node, killedAtMs } = this.#nodes.get(id)!;
    if (this.#isAway() || killedAtMs < Infinity) throw new AppError('SERVICE_UNAVAILABLE');
    return node.presence;
  }
}

interface NodeParts {
  log: Stream;
  topics: ReturnType<typeof createTopicResolver>;
  isAway: () => boolean;
  onChange: OnRoomChange;
  beatTimeoutMs: number;
}

function openNode({ log, topics, isAway, onChange, beatTimeoutMs }: NodeParts): PresenceNode {
  let isDead = false;
  const stream = new Proxy(log, {
    get: (target, name) => {
      if (name === 'append' && (isDead || isAway()))
        return () => Promise.reject(new AppError('STREAM_UNAVAILABLE'));
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  const gatewayId = randomBytes(8).toString('hex');
  const parts = { stream, topics, clock: systemClock, logger: silentLogger, gatewayId };
  const knownTopics = topics.staticTopics.map(({ topic }) => topic);
  const appender = new Appender({
    ...parts,
    knownTopics,
    controlTopic: topics.controlTopic,
    makeIntervalMs: 1,
    maxMakeWaitMs: 5_000,
  });
  const channel = new AwarenessChannel({
    ...parts,
    appender,
    metrics: gatewayMetrics(),
    registry: new DefaultRoomRegistry<HostedDocument>(),
    lingerMs: 1_000,
    beatTimeoutMs,
    onChanged: () => undefined,
  });
  const presence = new SharedPresence({
    ...parts,
    beatTimeoutMs,
    openBus: (events) => new PresenceTopic({ ...parts, channel, appender, events }),
    onChange,
  });
  // As the gateway does it: the channel beats with it.
  const beat = presence.beat.bind(presence);
  presence.beat = () => {
    channel.beat();
    beat();
  };
  cleanups.push(() => channel.stop());
  return { presence, kill: () => void (isDead = true) };
}

afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

describe('presence over the awareness topic', () => {
  it.each(Object.entries(presenceChecks))('%s', async (_name, check) =>
    runPresenceCheck(check, await openMedium('yjs-{channel}')),
  );

  it('works with a topic for each room, which it makes only when there is something to show', async () => {
    const medium = await openMedium('yjs-{channel}-{room}');
    await runPresenceCheck(Object.values(presenceChecks)[1]!, medium);
  });
});

describe('who is there, asked of the gateways', () => {
  it.each(Object.entries(readerChecks))('%s', async (_name, check) =>
    runReaderCheck(check, await openMedium('yjs-{channel}')),
  );
});
