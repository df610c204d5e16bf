import { describe, expect, it } from '@jest/globals';
import { appendBreaks } from '../contract/stream-broken/append.ts';
import { breakStream, type Break, type BreaksByCheck } from '../contract/stream-broken/break.ts';
import { consumeBreaks } from '../contract/stream-broken/consume.ts';
import { followBreaks } from '../contract/stream-broken/follow.ts';
import { readBreaks } from '../contract/stream-broken/read.ts';
import { topicsBreaks } from '../contract/stream-broken/topics.ts';
import { makeEmbedded } from '../contract/stream-checks/embedded-harness.ts';
import type { StreamHarness } from '../contract/stream-checks/harness.ts';
import { streamChecks } from '../contract/stream.suite.ts';

/** Deliveries of the embedded log take milliseconds; what has not come by then does not come. */
const WAIT_MS = 500;

const breaks: BreaksByCheck = {
  ...appendBreaks,
  ...followBreaks,
  ...readBreaks,
  ...consumeBreaks,
  ...topicsBreaks,
};
const cases = Object.entries(breaks).flatMap(([check, ways]) =>
  Object.entries(ways).map(([name, how]) => ({ check, name, how })),
);

async function makeBroken(how: Break): Promise<StreamHarness> {
  const harness = await makeEmbedded();
  return {
    ...harness,
    waitMs: WAIT_MS,
    stream: breakStream(harness.stream, how),
    reopen: async () => breakStream(await harness.reopen!(), how),
  };
}

describe('the suite of the stream fails an adapter that', () => {
  it.each(cases)('$name', async ({ check, how }) => {
    const found = streamChecks.find(({ name }) => name === check);
    await expect(found?.run(() => makeBroken(how))).rejects.toThrow();
  });
});

describe('the broken adapters', () => {
  it('leave no check that cannot fail', () => {
    const broken = new Set(Object.keys(breaks));
    const names = streamChecks.filter(({ needs }) => needs !== 'deleteTopic').map(({ name }) => name);
    expect(names.filter((name) => !broken.has(name))).toEqual([]);
  });
});
