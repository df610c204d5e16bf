import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../../lib/clock.ts';
import { AppError } from '../../../lib/errors.ts';
import { encodeChange, readChange, type DocumentChange } from '../../../lib/lifecycle/announcement.ts';
import { ControlFollow } from '../../../lib/lifecycle/control-follow.ts';
import { silentLogger } from '../../../lib/log.ts';
import type { FollowRequest, Stream } from '../../../lib/stream/port.ts';
import { LifecycleWorld } from '../../support/lifecycle-world.ts';
import { waitFor } from '../../support/wait.ts';

let world: LifecycleWorld;
beforeEach(async () => {
  world = await LifecycleWorld.open();
});
afterEach(() => world.close());

const changeOf = (offset: number): DocumentChange => ({
  document: world.document,
  position: { generation: 2, epoch: 1, partition: 0, offset },
  deleted: true,
});

async function tell(offset: number): Promise<void> {
  await world.stream.append({ topic: world.topics.controlTopic, partition: 0 }, [
    encodeChange(changeOf(offset)),
  ]);
}

describe('ControlFollow', () => {
  it('hears what comes from now on; a follow that broke or could not begin is made again, and the gap is told', async () => {
    await tell(1);
    const heard: DocumentChange[] = [];
    const requests: FollowRequest[] = [];
    let gaps = 0;
    let failures = 0;
    const stream: Pick<Stream, 'follow'> = {
      follow: async (request) => {
        requests.push(request);
        if (requests.length === 2) {
          failures++;
          throw new AppError('STREAM_UNAVAILABLE');
        }
        return world.stream.follow(request);
      },
    };
    const follow = new ControlFollow({
      stream,
      controlTopic: world.topics.controlTopic,
      clock: systemClock,
      logger: silentLogger,
      onChange: (change) => heard.push(change),
      onGap: () => gaps++,
    });
    await follow.start();
    await world.stream.append({ topic: world.topics.controlTopic, partition: 0 }, [
      { key: 'yjs-doc-room', value: new TextEncoder().encode('{"op":"topic-made"}'), headers: { t: '4' } },
    ]);
    await tell(2);
    await waitFor(() => heard.length === 1);
    expect(heard).toEqual([changeOf(2)]);
    requests[0]!.onError!(new AppError('STREAM_OFFSET_OUT_OF_RANGE'), { retrying: false });
    expect(follow.isFollowing).toBe(false);
    await waitFor(() => gaps === 1);
    expect([failures, follow.isFollowing]).toEqual([1, true]);
    await tell(3);
    await waitFor(() => heard.length > 1);
    expect(heard).toEqual([changeOf(2), changeOf(3)]);
    await follow.stop();
    await tell(4);
    expect(heard).toHaveLength(2);
  });

  it('reads nothing into what is no announcement', () => {
    const { key, value, headers } = encodeChange(changeOf(7));
    expect(readChange({ key, value, headers })).toEqual(changeOf(7));
    for (const other of [
      '',
      'null',
      '[]',
      '{"op":"document-changed"}',
      '{"op":"document-changed","position":1}',
    ])
      expect(readChange({ key, headers, value: new TextEncoder().encode(other) })).toBeUndefined();
    expect(readChange({ key: 'not a document', value, headers })).toBeUndefined();
  });
});
