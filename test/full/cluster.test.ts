import { join } from 'node:path';
import { describe, expect, it, jest } from '@jest/globals';
import { readRoom, replayTrace } from '../../scripts/lib/replay.ts';
import { readTrace } from '../../scripts/lib/trace.ts';
import { startTestCluster } from '../support/cluster.ts';
import { summarizeRetryKeys } from '../support/retry-keys.ts';
import { waitFor } from '../support/wait.ts';

// Whole sessions with restarts; every wait inside has a deadline of its own.
jest.setTimeout(900_000);

const DATA = join(import.meta.dirname, '../data');

describe('the cluster', () => {
  it('replays both traces with each agent at another gateway, and has the same texts after a restart of everything', async () => {
    const cluster = await startTestCluster();
    const texts = new Map<string, string>();
    try {
      for (const [room, file, limit] of [
        ['friends', 'friendsforever.json.gz', undefined],
        ['paper', 'automerge-paper.json.gz', 20_000],
      ] as const) {
        const trace = await readTrace(join(DATA, file));
        const result = await replayTrace({ urls: cluster.urls, trace, room, ...(limit && { limit }) });
        expect(result.difference).toBeUndefined();
        texts.set(room, (await readRoom({ url: cluster.urls[0]!, room })).text);
      }
      // Before the stop: nodes that go one after the other miss each other on the way out.
      expect(cluster.complaints).toEqual([]);
    } finally {
      await cluster.stop();
    }
    for (const name of cluster.processes.keys()) await cluster.restart(name);
    try {
      const url = cluster.processes.get('gateway-1')!;
      const report = (await url.waitUntilReady()) as { parts: { gateway: { url: string } } };
      for (const [room, text] of texts) {
        expect(text.length).toBeGreaterThan(1_000);
        expect((await readRoom({ url: report.parts.gateway.url, room })).text).toBe(text);
      }
    } finally {
      await cluster.stop();
    }
  });

  it('loses nothing and doubles no payload when gateways are killed in the middle of a replay', async () => {
    const trace = await readTrace(join(DATA, 'friendsforever.json.gz'));
    const ports = await import('../../scripts/dev/kafka.ts').then(({ freePorts }) => freePorts(2));
    const cluster = await startTestCluster({ gatewayPorts: ports });
    let kills = 0;
    let killing: Promise<void> | undefined;
    try {
      const result = await replayTrace({
        urls: cluster.urls,
        trace,
        room: 'killed',
        onProgress: ({ acked, total }) => {
          // In the first third: a gateway that takes its time to come back leaves enough for the next kill.
          if (acked < ((kills + 1) * total) / 12 || kills === 4 || killing) return;
          const name = `gateway-${(kills++ % 2) + 1}`;
          killing = (async () => {
            await cluster.processes.get(name)!.end('SIGKILL');
            await cluster.restart(name);
            killing = undefined;
          })();
        },
      });
      await killing;
      expect(kills).toBe(4);
      expect(result.difference).toBeUndefined();
      const summary = await waitFor(
        async () => {
          const found = await summarizeRetryKeys(cluster.databaseUrl);
          return found.rows >= result.transactions ? found : undefined;
        },
        { timeoutMs: 120_000, what: 'all is stored' },
      );
      expect(summary.doubled).toBe(0);
    } finally {
      await killing;
      await cluster.stop();
    }
  });

  it('takes rooms that are made while everything runs, each with a topic of its own', async () => {
    const trace = await readTrace(join(DATA, 'friendsforever.json.gz'));
    const cluster = await startTestCluster({
      env: { YKAFKA_TOPIC_PATTERN: `r${Date.now()}-{channel}-{room}` },
    });
    try {
      for (const room of ['first', 'Zweiter Raum / ü']) {
        const result = await replayTrace({ urls: cluster.urls, trace, room, limit: 300 });
        expect(result.difference).toBeUndefined();
      }
      await waitFor(async () => (await summarizeRetryKeys(cluster.databaseUrl)).rows >= 600, {
        timeoutMs: 120_000,
        what: 'the persister has found the new topics',
      });
      expect(cluster.complaints).toEqual([]);
    } finally {
      await cluster.stop();
    }
  });
});
