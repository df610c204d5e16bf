import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it, jest } from '@jest/globals';
import { Awareness } from 'y-protocols/awareness';
import * as Y from 'yjs';
import { ProtocolManager } from '../../lib/provider/index.ts';
import { readRoom, replayTrace } from '../../scripts/lib/replay.ts';
import { readTrace } from '../../scripts/lib/trace.ts';
import { startTestCluster, type TestCluster } from '../support/cluster.ts';
import { summarizeRetryKeys } from '../support/retry-keys.ts';
import { waitFor } from '../support/wait.ts';

// Whole sessions; every wait inside has a deadline of its own.
jest.setTimeout(900_000);

const HOUR_MS = 3_600_000;
const SHIFTS = { 'gateway-1': 1, 'gateway-2': -1, 'persister-1': 5, 'fastsync-1': -3, 'codec-1': 24 };
const preload = pathToFileURL(join(import.meta.dirname, '../support/shift-date.mjs')).href;

/** How far the process's own clock is from this one's, by its last line. */
function shiftOf(cluster: TestCluster, name: string): number {
  const line = cluster.processes.get(name)!.lines.findLast((found) => found.startsWith('{'))!;
  const { time } = JSON.parse(line) as { time: string | number };
  return (new Date(time).getTime() - Date.now()) / HOUR_MS;
}

describe('processes whose clocks are hours apart', () => {
  it('edit, see each other, store, and read back as any others', async () => {
    const cluster = await startTestCluster({
      env: {
        NODE_OPTIONS: `--import=${preload}`,
        YKAFKA_TEST_CLOCKS: Object.entries(SHIFTS)
          .map(([node, hours]) => `${node}=${hours}`)
          .join(),
        YKAFKA_SNAPSHOT_UPDATES: '100',
        YKAFKA_SNAPSHOT_BURST_MS: '0',
      },
    });
    const people: ProtocolManager[] = [];
    try {
      for (const [name, hours] of Object.entries(SHIFTS))
        expect(shiftOf(cluster, name)).toBeCloseTo(hours, 1);

      const states = cluster.urls.map((url, index) => {
        const doc = new Y.Doc();
        const awareness = new Awareness(doc);
        awareness.setLocalStateField('user', { name: `person ${index}` });
        const manager = new ProtocolManager({ url, roomId: 'present' });
        people.push(manager);
        manager.addDoc(doc, { docId: 'text', awareness });
        return awareness;
      });
      await waitFor(() => states.every((awareness) => awareness.getStates().size === 2), {
        timeoutMs: 60_000,
        what: 'people of gateways two hours apart see each other',
      });

      const trace = await readTrace(join(import.meta.dirname, '../data/friendsforever.json.gz'));
      const result = await replayTrace({ urls: cluster.urls, trace, room: 'clocks', limit: 1_000 });
      expect(result.difference).toBeUndefined();
      await waitFor(async () => (await summarizeRetryKeys(cluster.databaseUrl)).rows >= 1_000, {
        timeoutMs: 120_000,
        what: 'all is stored',
      });
      expect((await summarizeRetryKeys(cluster.databaseUrl)).doubled).toBe(0);

      // They were there all the time: nobody's beat was taken for old, nobody's state for outdated.
      expect(states.map((awareness) => awareness.getStates().size)).toEqual([2, 2]);

      // A join from a restarted fastsync and gateway: nothing of it comes from a cache or a ring.
      for (const name of ['fastsync-1', 'gateway-2', 'persister-1']) {
        await cluster.processes.get(name)!.end('SIGTERM');
        await cluster.restart(name);
      }
      const report = (await cluster.processes.get('gateway-2')!.waitUntilReady()) as {
        parts: { gateway: { url: string } };
      };
      const texts = await Promise.all(
        [cluster.urls[0]!, report.parts.gateway.url].map((url) => readRoom({ url, room: 'clocks' })),
      );
      expect(texts[0]!.text.length).toBeGreaterThan(100);
      expect(texts[1]!.text).toBe(texts[0]!.text);

      expect(cluster.complaints).toEqual([]);
    } finally {
      for (const manager of people) manager.destroy();
      await cluster.stop();
    }
  });
});
