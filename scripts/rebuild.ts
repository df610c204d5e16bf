import { createRuntime, type OpenRuntime } from '../lib/broker/open-runtime.ts';
import { createCodecPool } from '../lib/codec/pool.ts';
import { createStoredDocuments } from '../lib/codec/stored-documents.ts';
import { loadConfig, type Config } from '../lib/config.ts';
import { isAppError } from '../lib/errors.ts';
import { createLogger } from '../lib/log.ts';
import { rebuildPage, type RebuildPage } from '../lib/persister/rebuild.ts';
import { Snapshotter } from '../lib/persister/snapshotter.ts';
import { SnapshotPolicy } from '../lib/store/snapshot-policy.ts';
import { readOptions, runCommand, UsageError } from './lib/command-line.ts';

const USAGE = `Usage: npm run rebuild -- [--tenant T] [--room R] [--doc D [--subdoc S]]

Makes the snapshots of all documents, of a room or of one document anew from the stored rows. Each takes the place of
the old ones at once, so it may run beside everything else, be stopped at any time, and run again. In cluster mode
(KAFKA_BROKERS and DATABASE_URL are set) the services may run; in embedded mode the server must be stopped.`;

const PAGE_DOCUMENTS = 100;

interface Wanted {
  tenant?: string;
  room?: string;
  doc?: string;
  subdoc?: string;
}

function openSnapshotter(runtime: OpenRuntime, store: Awaited<ReturnType<OpenRuntime['store']>>) {
  const { config, clock, logger } = runtime;
  const codec = createCodecPool({
    threads: config.codecThreads,
    maxQueue: config.codecQueue,
    timeoutMs: config.codecTimeoutMs,
    inlineBytes: config.inlineCheckBytes,
    clock,
    logger,
  });
  const documents = createStoredDocuments(store, codec);
  const snapshotter = new Snapshotter({
    store,
    folder: {
      async fold(request) {
        const found = await documents.fold(request);
        if (!found) return undefined;
        const { update, stateVector } = found.folded;
        return { update, stateVector, position: found.position, rejected: found.rejected };
      },
    },
    policy: new SnapshotPolicy(config),
    clock,
    logger,
    isAssigned: () => false,
    sweepMs: Number.MAX_SAFE_INTEGER,
  });
  return { snapshotter, close: () => codec.close() };
}

async function rebuild(runtime: OpenRuntime, wanted: Wanted): Promise<boolean> {
  // In embedded mode it holds the folder: a server that runs is not disturbed.
  if (runtime.config.mode === 'embedded') await runtime.stream();
  const store = await runtime.store();
  const { snapshotter, close } = openSnapshotter(runtime, store);
  const { tenant: tenantId = runtime.config.tenant, room: roomId, doc: docId, subdoc: subdocId } = wanted;
  let rebuilt = 0;
  let skipped = 0;
  const failed: RebuildPage['failed'] = [];
  try {
    if (docId !== undefined && roomId !== undefined) {
      const document = { tenantId, roomId, docId, ...(subdocId === undefined ? {} : { subdocId }) };
      const found = await store.findStored(document);
      if (!found) return (console.log('Nothing is stored of this document.'), false);
      const { epoch, partition } = found;
      console.log(await snapshotter.rebuild({ document, epoch, partition }));
      return true;
    }
    const query = roomId === undefined ? {} : { tenantId, roomId };
    for (let afterId: number | undefined = 0; afterId !== undefined;) {
      const page: RebuildPage = await rebuildPage(
        { ...runtime, store, rebuild: (at) => snapshotter.rebuild(at) },
        { ...query, afterId, limit: PAGE_DOCUMENTS, budgetMs: Infinity },
      );
      rebuilt += page.rebuilt;
      skipped += page.skipped;
      failed.push(...page.failed);
      afterId = page.next;
      console.log(`${rebuilt} rebuilt, ${skipped} skipped, ${failed.length} failed`);
    }
    for (const { document, reason } of failed) console.log(JSON.stringify({ document, reason }));
    return failed.length === 0;
  } finally {
    await close();
  }
}

async function run(): Promise<number> {
  const text = { type: 'string' } as const;
  const values = readOptions({ tenant: text, room: text, doc: text, subdoc: text });
  if (values.doc !== undefined && values.room === undefined) throw new UsageError('--room is missing.');
  if (values.subdoc !== undefined && values.doc === undefined) throw new UsageError('--doc is missing.');
  const mode: Partial<Config> = process.env.KAFKA_BROKERS ? { mode: 'cluster' } : {};
  const config = loadConfig({ YKAFKA_LOG_LEVEL: 'error', ...process.env }, mode);
  const runtime = createRuntime({ config, logger: createLogger(config.logLevel), nodeId: 'rebuild' });
  try {
    return (await rebuild(runtime, values)) ? 0 : 1;
  } finally {
    await runtime.close();
  }
}

await runCommand({ usage: USAGE, run, isExpected: isAppError });
