import { join } from 'node:path';
import { describe, expect, it, jest } from '@jest/globals';
import { startKafka } from '../../scripts/dev/kafka.ts';
import { readRoom, replayTrace } from '../../scripts/lib/replay.ts';
import { readTrace } from '../../scripts/lib/trace.ts';
import { startTestCluster } from '../support/cluster.ts';
import { summarizeRetryKeys } from '../support/retry-keys.ts';
import { waitFor } from '../support/wait.ts';

// Whole sessions with restarts; every wait inside has a deadline of its own.
jest.setTimeout(900_000);

const readiness = async (url: string) => (await fetch(`${url}/health/ready`)).status;

const AWAY_MS = 30_000;

describe('Kafka away for 30 s and back', () => {
  it('loses nothing that was acked, and every node works again by itself, the transporter too', async () => {
    const kafka = await startKafka();
    const trace = await readTrace(join(import.meta.dirname, '../data/friendsforever.json.gz'));
    // Of each gateway, of all that it logs: a long outage is told in many lines.
    const told = new Map<string, { begun: number; over: number }>();
    let isAway = false;
    const cluster = await startTestCluster({
      kafkaBrokers: kafka.brokers,
      onLine: (name, line) => {
        if (!name.startsWith('gateway')) return;
        const counts = told.get(name) ?? { begun: 0, over: 0 };
        told.set(name, counts);
        if (isAway && line.includes('"the log does not take updates"')) counts.begun++;
        if (line.includes('"the log takes updates again"')) counts.over = counts.begun;
      },
    });
    let outage: Promise<void> | undefined;
    try {
      const result = await replayTrace({
        urls: cluster.urls,
        trace,
        room: 'away',
        limit: 2_000,
        onProgress: ({ acked, total }) => {
          if (acked < total / 3 || outage) return;
          outage = (async () => {
            isAway = true;
            await kafka.kill('SIGKILL');
            const away = cluster.urls.map((url) =>
              waitFor(async () => (await readiness(url)) === 503, {
                timeoutMs: 60_000,
                what: `${url} is not ready`,
              }),
            );
            await Promise.all(away);
            // The outage itself is the condition: clients and services have to live through all of it.
            await new Promise((resolve) => setTimeout(resolve, AWAY_MS));
            isAway = false;
            await kafka.restart();
          })();
        },
      });
      await outage;
      expect(outage).toBeDefined();
      expect(result.difference).toBeUndefined();
      for (const process of cluster.processes.values()) {
        await process.waitUntilReady();
        expect(process.isRunning).toBe(true);
      }
      // Said once for the outage, not for each update, by a gateway whose clients wrote meanwhile.
      await waitFor(() => [...told.values()].every(({ begun, over }) => over === begun), {
        timeoutMs: 60_000,
        what: 'the end is told',
      });
      expect(Math.max(...[...told.values()].map(({ begun }) => begun))).toBe(1);
      // A join goes from a gateway over the transporter to fastsync; a new room has to reach the store.
      for (const [index, url] of cluster.urls.entries()) {
        const again = await replayTrace({ urls: [url], trace, room: `after-${index}`, limit: 100 });
        expect(again.difference).toBeUndefined();
        expect((await readRoom({ url, room: 'away' })).text.length).toBeGreaterThan(0);
      }
      await waitFor(async () => (await summarizeRetryKeys(cluster.databaseUrl)).rows >= 2_200, {
        timeoutMs: 120_000,
      });
      expect((await summarizeRetryKeys(cluster.databaseUrl)).doubled).toBe(0);
    } finally {
      await outage;
      await cluster.stop();
      await kafka.stop();
    }
  });
});
