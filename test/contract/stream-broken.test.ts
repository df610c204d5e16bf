import { describe, expect, it } from '@jest/globals';
import { BREAKS, breakStream } from './stream-checks/broken.ts';
import { makeEmbedded } from './stream-checks/embedded-harness.ts';
import { streamChecks, type StreamHarness } from './stream.suite.ts';

/** Deliveries of the embedded log take milliseconds; what has not come by then does not come. */
const WAIT_MS = 700;

async function makeBroken(name: string): Promise<StreamHarness> {
  const harness = await makeEmbedded();
  return {
    ...harness,
    waitMs: WAIT_MS,
    stream: breakStream(harness.stream, name),
    reopen: async () => breakStream(await harness.reopen!(), name),
  };
}

const runnable = streamChecks.filter(({ needs }) => needs !== 'deleteTopic');

describe('the suite of the stream fails an adapter that', () => {
  it.each(Object.keys(BREAKS))('%s', async (name) => {
    const failed: string[] = [];
    for (const check of runnable) {
      await check.run(() => makeBroken(name)).catch(() => failed.push(check.name));
      if (failed.length > 0) break;
    }
    expect(failed).toHaveLength(1);
  });
});
