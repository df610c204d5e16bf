import { describe, expect, it, jest } from '@jest/globals';
import { startTestCluster } from '../support/cluster.ts';
import { openBigDocument } from '../support/big-document/run.ts';

// 50 MB go to 205 clients on a machine that others use as well; every wait inside has a deadline of its own.
jest.setTimeout(600_000);

const DOCUMENT_MB = 50;
/** What the server may have beside three times the document. */
const ROOM_MB = 512;

describe('a document of 50 MB', () => {
  it('is opened by 205 clients at once, in memory that is bounded, while its writer goes on', async () => {
    const cluster = await startTestCluster({
      gatewayPorts: [0],
      // A machine that is busy with 10 GB of chunks answers pings late; that is not what is measured here.
      env: { YKAFKA_PING_TIMEOUT_MS: '60000' },
    });
    try {
      const pids = new Map([...cluster.processes].map(([name, process]) => [name, process.pid!]));
      const report = await openBigDocument({
        url: cluster.urls[0]!,
        pids,
        documentMb: DOCUMENT_MB,
        thinClients: 200,
        realClients: 5,
      });
      console.log(JSON.stringify(report, null, 1));
      expect(report.documentMb).toBeGreaterThanOrEqual(DOCUMENT_MB);
      expect(report.complaints).toEqual([]);
      // Everybody got it once; the stream of edits made nobody start again.
      expect(report.crowd.states).toBe(200);
      expect(report.readers).toMatchObject({ states: 5, complaints: [] });
      expect(report.readers.progressEvents).toBeGreaterThan(5 * 100);
      expect(Object.values(report.crowd.digests).reduce((sum, count) => sum + count, 0)).toBe(200);
      // One position, one content.
      const offsets = Object.keys(report.crowd.digests).map((name) => name.split(' ')[0]);
      expect(new Set(offsets).size).toBe(offsets.length);
      expect(report.typedMeanwhile).toBeGreaterThan(10);
      expect(report.isEqual).toBe(true);
      expect(report.peakSumMb - report.startSumMb).toBeLessThanOrEqual(3 * report.documentMb + ROOM_MB);
      expect(report.controlMeanwhile.complaints).toEqual([]);
      expect(cluster.complaints).toEqual([]);
    } catch (error) {
      throw new Error(`The cluster said: ${cluster.complaints.join('\n')}`, { cause: error });
    } finally {
      await cluster.stop();
    }
  });
});
