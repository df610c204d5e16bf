import { afterEach, describe, expect, it } from '@jest/globals';
import * as Y from 'yjs';
import { systemClock } from '../../../lib/clock.ts';
import { createUpdateChecker, type UpdateCheckOptions } from '../../../lib/gateway/threaded-update-check.ts';
import type { UpdateChecker } from '../../../lib/gateway/update-check.ts';
import { silentLogger } from '../../../lib/log.ts';

const slow = new URL('./slow-check-worker.ts', import.meta.url);
/** Takes 1.5 s to start. */
const slowStart = new URL('./slow-start-worker.ts', import.meta.url);
const stuckStart = new URL('./stuck-start-worker.ts', import.meta.url);
const greedy = new URL('./greedy-check-worker.ts', import.meta.url);
/** The slow worker never ends with it. */
const NO_END = 255;
const SOUND = Y.encodeStateAsUpdate(new Y.Doc());
let checker: UpdateChecker | undefined;

const open = (options: Partial<UpdateCheckOptions>) =>
  (checker = createUpdateChecker({ clock: systemClock, logger: silentLogger, inlineBytes: 0, ...options }));
/** For the slow worker, up to 2,540. */
const taking = (ms: number, update: Uint8Array = SOUND) => Uint8Array.of(ms / 10, ...update);

afterEach(() => checker?.close());

describe('the check of large updates', () => {
  it('tells sound ones from bad ones', async () => {
    const { check } = open({});
    expect(await check(SOUND)).toBe('sound');
    expect(await check(Uint8Array.of(255, 1, 2))).toBe('bad');
  });

  it('a sound update that waits for others longer than the time limit is not refused', async () => {
    const { check } = open({ workerUrl: slow, timeoutMs: 2_000 });
    const results = await Promise.all([700, 700, 700, 700].map((ms) => check(taking(ms))));
    expect(results).toEqual(['sound', 'sound', 'sound', 'sound']);
  });

  it('one that hangs is refused, and the next one is checked', async () => {
    const { check } = open({ workerUrl: slow, timeoutMs: 500 });
    const results = await Promise.all([check(Uint8Array.of(NO_END, ...SOUND)), check(taking(0))]);
    expect(results).toEqual(['bad', 'sound']);
  });

  it('one that takes more memory than it may is refused, and the next one is checked', async () => {
    const { check } = open({ workerUrl: greedy, maxHeapMb: 64, timeoutMs: 60_000 });
    const holding = (megabytes: number) => Uint8Array.of(megabytes / 10, ...SOUND);
    const results = await Promise.all([check(holding(200)), check(holding(0))]);
    expect(results).toEqual(['bad', 'sound']);
    expect(await check(holding(10))).toBe('sound');
  });

  it('what a thread takes to start is not the time of the update', async () => {
    const { check } = open({ workerUrl: slowStart, timeoutMs: 500 });
    expect(await check(SOUND)).toBe('sound');
    expect(await check(Uint8Array.of(255, 1, 2))).toBe('bad');
  });

  it('where no thread starts nothing is refused for good', async () => {
    const { check } = open({ workerUrl: stuckStart, timeoutMs: 20 });
    expect(await check(SOUND)).toBe('busy');
  });

  it('too many that wait, and those that wait at the end, can come again', async () => {
    const { check, close } = open({ workerUrl: slow, maxQueue: 1 });
    const results = [check(taking(300)), check(taking(300)), check(taking(0))];
    expect(await results[2]).toBe('busy');
    await close();
    expect(await Promise.all(results)).toEqual(['busy', 'busy', 'busy']);
  });
});
