import { describe, expect, it } from '@jest/globals';
import { loadConfig } from '../../../lib/config.ts';
import { DocumentHosts } from '../../../lib/gateway/document-hosts.ts';
import { gatewayMetrics } from '../../../lib/gateway/gateway-metrics.ts';
import type { HostedDocument } from '../../../lib/gateway/hosted-document.ts';
import { RateLimits } from '../../../lib/gateway/rate-limits.ts';
import { DefaultRoomRegistry } from '../../../lib/gateway/room-registry.ts';
import { silentLogger } from '../../../lib/log.ts';
import type { Stream } from '../../../lib/stream/port.ts';
import { createTopicResolver } from '../../../lib/stream/topic-resolver.ts';
import { ManualClock } from './manual-clock.ts';

const LINGER_MS = 10_000;
const idOf = (docId: string) => ({ tenantId: 't', roomId: 'r', docId });

describe('hosted documents', () => {
  it('a document given back again after its end does not stop the follow of the others', async () => {
    const clock = new ManualClock();
    let follows = 0;
    const stream: Pick<Stream, 'identity' | 'follow'> = {
      identity: (topic) => Promise.resolve({ topic, topicId: 't', clusterId: 'c', partitions: 1 }),
      follow: () => {
        follows++;
        return Promise.resolve({ startOffset: 0, stop: () => Promise.resolve(void follows--) });
      },
    };
    const hosts = new DocumentHosts({
      stream: stream as Stream,
      topics: createTopicResolver({ pattern: 'yjs-{channel}', partitions: 1 }),
      clock,
      logger: silentLogger,
      metrics: gatewayMetrics(),
      registry: new DefaultRoomRegistry<HostedDocument>(),
      rates: new RateLimits(loadConfig({}, {})),
      ringBytes: 1024,
      documentFramesPerSecond: 0,
      lingerMs: LINGER_MS,
      onEvent: () => undefined,
      onReset: () => undefined,
    });
    const [left, kept] = [await hosts.host(idOf('left')), await hosts.host(idOf('kept'))];
    expect(kept.target).toEqual(left.target);
    hosts.release(left);
    clock.advance(LINGER_MS);
    // A join that fails after its connection has gone gives the document back once more.
    hosts.release(left);
    clock.advance(3 * LINGER_MS);
    expect(follows).toBe(1);
    hosts.release(kept);
    clock.advance(3 * LINGER_MS);
    expect(follows).toBe(0);
  });
});
