import { describe, expect, it } from '@jest/globals';
import { AppError } from '../../../lib/errors.ts';
import { gatewayMetrics } from '../../../lib/gateway/gateway-metrics.ts';
import { PartitionFollower } from '../../../lib/gateway/partition-follower.ts';
import { silentLogger } from '../../../lib/log.ts';
import type { FollowRequest, Stream } from '../../../lib/stream/port.ts';
import { ManualClock } from './manual-clock.ts';

const AT = { topic: 'yjs-doc', partition: 0 };
const recordAt = (offset: number) => ({
  key: 'k',
  value: new Uint8Array(),
  headers: {},
  offset,
  timestampMs: 0,
});

describe('the follow of a partition', () => {
  it('that began anew says so before it brings anything, also when it brings something before it is known', async () => {
    const clock = new ManualClock();
    const seen: string[] = [];
    let current: FollowRequest | undefined;
    let startOffset = 0;
    const stream: Pick<Stream, 'identity' | 'follow'> = {
      identity: () => Promise.resolve({ ...AT, topicId: 't', clusterId: 'c', partitions: 1 }),
      follow: (request) => {
        current = request;
        // The log may hand out a batch while its answer is still on the way.
        if (startOffset > 0)
          void request.onBatch({ ...AT, fetchOffset: startOffset, nextOffset: 8, records: [recordAt(7)] });
        return Promise.resolve({ startOffset, stop: () => Promise.resolve() });
      },
    };
    const follower = new PartitionFollower(
      AT,
      { stream: stream as Stream, clock, logger: silentLogger, metrics: gatewayMetrics() },
      {
        onRecord: ({ offset }) => void seen.push(`record ${offset}`),
        onReset: (heldAfter) => void seen.push(`reset ${heldAfter}`),
      },
    );
    await follower.start();
    // Of the topic that was there when it asked where that ends, and of no other one.
    expect(current).toMatchObject({ fromOffset: 'end', topicId: 't' });
    startOffset = 7;
    current!.onError?.(new AppError('STREAM_OFFSET_OUT_OF_RANGE'), { retrying: false });
    clock.advance(1_000);
    await new Promise((resolve) => setImmediate(resolve));
    expect(seen).toEqual(['reset 6', 'record 7']);
    expect(follower.heldAfter).toBe(7);
  });
});
