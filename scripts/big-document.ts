import { openBigDocument, type BigDocumentReport } from '../test/support/big-document/run.ts';
import { startKafka } from './dev/kafka.ts';
import { startPostgres } from './dev/postgres.ts';
import { startCluster } from './lib/cluster.ts';
import { readOptions, runCommand, wholeNumber } from './lib/command-line.ts';

const USAGE = `Usage: npm run big-document -- [--mb 50] [--thin 200] [--real 5]

A document of real text, opened by everybody at once on a cluster with Kafka and PostgreSQL while its writer goes on:
so many MB, thin clients that count and hash, and real ones.

Exit code: 0 all as it should be, 1 something is not, 2 bad options.`;

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

async function run(): Promise<number> {
  const number = (fallback: number) => ({ type: 'string', default: String(fallback) }) as const;
  const values = readOptions({ mb: number(50), thin: number(200), real: number(5) });
  const documentMb = wholeNumber('mb', values.mb, { min: 1 });
  const [thinClients, realClients] = [wholeNumber('thin', values.thin), wholeNumber('real', values.real)];
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
      documentMb,
      thinClients,
      realClients,
    });
    const faults = faultsOf(report);
    console.log(JSON.stringify({ ...report, faults }, null, 2));
    return faults.length === 0 ? 0 : 1;
  } finally {
    for (const stop of stops.reverse()) await stop();
  }
}

await runCommand({ usage: USAGE, run });
