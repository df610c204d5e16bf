import { describe, expect, it } from '@jest/globals';
import { LogWatch } from '../../../lib/gateway/log-watch.ts';
import { silentLogger, type Logger } from '../../../lib/log.ts';
import { ManualClock } from './manual-clock.ts';

const [P0, P1] = [
  { topic: 't', partition: 0 },
  { topic: 't', partition: 1 },
];

function setUp() {
  const clock = new ManualClock();
  const lines: { phrase: string; fields: Record<string, unknown> }[] = [];
  const warn = (fields: Record<string, unknown>, phrase: string) => void lines.push({ phrase, fields });
  const logger = { ...silentLogger, warn } as unknown as Logger;
  let canProbe = false;
  const watch = new LogWatch({
    clock,
    logger,
    probe: () => (canProbe ? Promise.resolve(0) : Promise.reject(new Error('away'))),
  });
  const settle = async (ms: number) => {
    for (let i = 0; i < ms; i += 100) {
      clock.advance(100);
      watch.check();
      await Promise.resolve();
      await Promise.resolve();
    }
  };
  return { watch, lines, settle, allowProbe: () => (canProbe = true) };
}

describe('what the gateway knows of the log', () => {
  it('an outage is told once at its beginning and once at its end, with the number of failures', async () => {
    const { watch, lines, settle } = setUp();
    expect(watch.isAway).toBe(false);
    for (let i = 0; i < 500; i++) watch.failed(P0, new Error('away'));
    watch.failed(P1, new Error('away'));
    expect(watch.isAway).toBe(true);
    await settle(5000);
    expect(lines.map(({ phrase }) => phrase)).toEqual(['the log does not take updates']);
    watch.appended(P0);
    expect(watch.isAway).toBe(true);
    watch.appended(P1);
    expect(watch.isAway).toBe(false);
    await settle(3000);
    expect(lines).toHaveLength(2);
    expect(lines[1]).toMatchObject({ phrase: 'the log takes updates again', fields: { failures: 501 } });
  });

  it('an outage that flickers is one outage', async () => {
    const { watch, lines, settle } = setUp();
    for (let i = 0; i < 20; i++) {
      watch.failed(P0, new Error('away'));
      watch.appended(P0);
      await settle(500);
    }
    await settle(3000);
    expect(lines.map(({ phrase }) => phrase)).toEqual([
      'the log does not take updates',
      'the log takes updates again',
    ]);
  });

  it('when nobody writes any more the log itself is asked', async () => {
    const { watch, lines, settle, allowProbe } = setUp();
    watch.failed(P0, new Error('away'));
    await settle(10_000);
    expect(watch.isAway).toBe(true);
    allowProbe();
    await settle(2000);
    expect(watch.isAway).toBe(false);
    await settle(15_000);
    expect(lines.map(({ phrase }) => phrase)).toEqual([
      'the log does not take updates',
      'the log takes updates again',
    ]);
  });

  it('a broker that answers before it takes updates has not ended the outage', async () => {
    const { watch, lines, settle, allowProbe } = setUp();
    watch.failed(P0, new Error('away'));
    allowProbe();
    await settle(6_000);
    expect(watch.isAway).toBe(false);
    watch.failed(P0, new Error('no leader'));
    expect(watch.isAway).toBe(true);
    await settle(6_000);
    watch.appended(P0);
    await settle(3_000);
    expect(lines.map(({ phrase }) => phrase)).toEqual([
      'the log does not take updates',
      'the log takes updates again',
    ]);
    expect(lines[1]).toMatchObject({ fields: { failures: 2 } });
  });
});
