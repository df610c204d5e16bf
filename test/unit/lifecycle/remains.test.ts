import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { remainsOf } from '../../../lib/lifecycle/remains.ts';
import type { TopicRetention } from '../../../lib/stream/port.ts';
import { LifecycleWorld } from '../../support/lifecycle-world.ts';

const HOUR_MS = 3_600_000;
let world: LifecycleWorld;
beforeEach(async () => {
  world = await LifecycleWorld.open();
});
afterEach(() => world.close());

/** As of a log that has a retention of its own, or of one that has none. */
function remains(retention?: TopicRetention) {
  const { stream } = world;
  return remainsOf(world.document, {
    stream: {
      startOffset: (at) => stream.startOffset(at),
      read: (request) => stream.read(request),
      ...(retention ? { retention: async () => retention } : {}),
    },
    reader: world.reader(),
    maxRecordBytes: 1024 * 1024,
  });
}

const request = (key: string, expectedGeneration = 1) => ({
  document: world.document,
  key,
  expectedGeneration,
});

describe('documents.remains', () => {
  it('names the hour by which the topic has forgotten the deletion, from retention and segment', async () => {
    const before = Date.now();
    const { position } = await world.operator().delete(request('k'));
    const found = await remains({ retentionMs: 5 * HOUR_MS, segmentMs: 2 * HOUR_MS });
    expect(found).toMatchObject({ deletion: position, inLog: true });
    const until = Date.parse(found.until!);
    expect(until % HOUR_MS).toBe(0);
    expect(until - before).toBeGreaterThanOrEqual(7 * HOUR_MS + 10 * 60_000);
    expect(until - Date.now()).toBeLessThan(8 * HOUR_MS + 10 * 60_000);
  });

  it('also when the document was made again since, and promises nothing where nothing is forgotten by time', async () => {
    const { position } = await world.operator().delete(request('k1'));
    await world.operator().create(request('k2', 2));
    expect(await remains({ retentionBytes: 10 })).toEqual({ deletion: position, inLog: true });
    expect(await remains()).toEqual({ deletion: position, inLog: true });
  });

  it('says that nothing remains when the log begins behind the deletion, or there was none', async () => {
    expect(await remains({ retentionMs: 1 })).toEqual({ inLog: false });
    const { position } = await world.operator().delete(request('k'));
    await world.persist();
    await world.stream.trim!(world.at, position!.offset + 1);
    expect(await remains({ retentionMs: 1 })).toEqual({ deletion: position, inLog: false });
  });
});
