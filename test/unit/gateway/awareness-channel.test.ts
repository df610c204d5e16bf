import { describe, expect, it } from '@jest/globals';
import { AppError } from '../../../lib/errors.ts';
import { AwarenessChannel, type AwarenessChannelParts } from '../../../lib/gateway/awareness-channel.ts';
import { gatewayMetrics } from '../../../lib/gateway/gateway-metrics.ts';
import { AwarenessStates } from '../../../lib/gateway/awareness-states.ts';
import type { HostedDocument, Subscription } from '../../../lib/gateway/hosted-document.ts';
import { DefaultRoomRegistry } from '../../../lib/gateway/room-registry.ts';
import { silentLogger } from '../../../lib/log.ts';
import { createTopicResolver } from '../../../lib/stream/topic-resolver.ts';
import { waitFor } from '../../support/wait.ts';
import { ManualClock } from './manual-clock.ts';

const topics = createTopicResolver({ pattern: 'yjs-{channel}', partitions: 1 });
const identityOf = (topic: string) => ({ topic, topicId: 't', clusterId: 'c', partitions: 1 });
const hosted = (docId: string) => ({ id: { tenantId: 't', roomId: 'r', docId } }) as HostedDocument;

function openChannel(parts: Record<string, unknown>): AwarenessChannel {
  return new AwarenessChannel({
    appender: { append: () => Promise.resolve() },
    topics,
    logger: silentLogger,
    metrics: gatewayMetrics(),
    registry: new DefaultRoomRegistry<HostedDocument>(),
    gatewayId: 'g',
    lingerMs: 1_000,
    beatTimeoutMs: 6_000,
    onChanged: () => undefined,
    ...parts,
  } as unknown as AwarenessChannelParts);
}

describe('the awareness of a document', () => {
  it('whose question failed is followed all the same, and no longer than the document is hosted', async () => {
    const clock = new ManualClock();
    let follows = 0;
    let questions = 0;
    const stream = {
      // Once for the follow; the log goes away before the question.
      identity: (topic: string) =>
        ++questions === 1
          ? Promise.resolve(identityOf(topic))
          : Promise.reject(new AppError('STREAM_UNAVAILABLE')),
      follow: () => {
        follows++;
        return Promise.resolve({ startOffset: 0, stop: () => Promise.resolve(void follows--) });
      },
    };
    let warnings = 0;
    const logger = { ...silentLogger, warn: () => void warnings++ };
    const channel = openChannel({ stream, clock, logger });
    const document = hosted('d');
    channel.open(document);
    await waitFor(() => warnings === 1);
    expect(follows).toBe(1);
    channel.close(document);
    clock.advance(2_000);
    expect(follows).toBe(0);
  });

  it('that ends before those who were moved are back takes them away for the others', async () => {
    const appended: string[] = [];
    const appender = {
      append: (...[, , record]: Parameters<AwarenessChannelParts['appender']['append']>) => {
        appended.push(new TextDecoder('latin1').decode(record.value));
        return Promise.resolve();
      },
    };
    const stream = { identity: () => Promise.resolve(undefined), follow: () => Promise.reject(new Error()) };
    const channel = openChannel({ stream, appender, clock: new ManualClock() });
    const document = hosted('d');
    const [moved, other] = [{ document }, { document }] as Subscription[];
    const states = new AwarenessStates();
    Object.assign(document, {
      awareness: states,
      address: { roomId: 'r', docId: 'd' },
      subscriptions: new Set(),
    });
    states.apply({ clientId: 5, clock: 3, state: '{"a":1}' }, moved!);
    states.apply({ clientId: 6, clock: 3, state: '{"b":1}' }, other!);
    channel.moved(moved!);
    channel.close(document);
    expect(appended).toHaveLength(1);
    // One state: id, clock, and nothing.
    expect(appended[0]).toContain('\x01\x05\x03\x04null');
  });

  it('that ends while its follow is still beginning does not take the follow from the others', async () => {
    const clock = new ManualClock();
    const begun = Promise.withResolvers<void>();
    let follows = 0;
    let questions = 0;
    const stream = {
      identity: (topic: string) => (questions++, Promise.resolve(identityOf(topic))),
      follow: async () => {
        await begun.promise;
        follows++;
        return { startOffset: 0, stop: () => Promise.resolve(void follows--) };
      },
    };
    const channel = openChannel({ stream, clock });
    const [left, kept] = [hosted('left'), hosted('kept')];
    channel.open(left);
    channel.open(kept);
    channel.close(left);
    begun.resolve();
    // Once for the follow, once for the question of the one that is kept.
    await waitFor(() => questions === 2);
    clock.advance(5_000);
    expect(follows).toBe(1);
    channel.close(kept);
    clock.advance(5_000);
    expect(follows).toBe(0);
  });
});
