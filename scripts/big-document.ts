import { parseArgs } from 'node:util';
import { openBigDocument, type BigDocumentReport } from '../test/support/big-document/run.ts';
import { startKafka } from './dev/kafka.ts';
import { startPostgres } from './dev/postgres.ts';
import { startCluster } from './lib/cluster.ts';

/**
 * `npm run big-document -- --mb 50 --thin 200 --real 5`: a document of real text, opened by everybody at once on a
 * cluster with Kafka and PostgreSQL while its writer goes on. Exit code 1 when something is not as it should be.
 */
const text = (fallback: string) => ({ type: 'string', default: fallback }) as const;
const { values } = parseArgs({ options: { mb: text('50'), thin: text('200'), real: text('5') } });

/** What the server may have beside three times the document. */
const ROOM_MB = 512;

function faultsOf(report: BigDocumentReport): string[] {
  const { crowd, readers, documentMb, peakSumMb, startSumMb } = report;
  const faults = [...report.complaints, ...readers.complaints, ...report.controlMeanwhile.complaints];
  if (crowd.states !== crowd.clients || readers.states !== readers.clients) faults.push('a join began again');
  const offsets = Object.keys(crowd.digests).map((name) => name.split(' ')[0]);
  if (new Set(offsets).size !== offsets.length) faults.push('two contents at one position');
  if (!report.isEqual) faults.push('the real clients have another text');
  if (peakSumMb - startSumMb > 3 * documentMb + ROOM_MB) faults.push('the memory is above its bound');
  return faults;
}

const stops: (() => Promise<void>)[] = [];
try {
  const kafka = await startKafka();
  stops.push(() => kafka.stop());
  const postgres = await startPostgres();
  stops.push(() => postgres.stop());
  const cluster = await startCluster({
    kafkaBrokers: kafka.brokers,
    databaseUrl: postgres.url,
    gatewayPorts: [0],
    // A machine that is busy with gigabytes of chunks answers pings late; that is not what is measured here.
    env: { YKAFKA_PING_TIMEOUT_MS: '60000' },
  });
  stops.push(() => cluster.stop());
  const report = await openBigDocument({
    url: cluster.urls[0]!,
    pids: new Map([...cluster.processes].map(([name, { pid }]) => [name, pid!])),
    metricsUrls: new Map([...cluster.processes].map(([name, { internalUrl }]) => [name, internalUrl!])),
    documentMb: Number(values.mb),
    thinClients: Number(values.thin),
    realClients: Number(values.real),
  });
  const faults = faultsOf(report);
  console.log(JSON.stringify({ ...report, faults }, null, 2));
  process.exitCode = faults.length === 0 ? 0 : 1;
} finally {
  for (const stop of stops.reverse()) await stop();
}
