import { randomBytes } from 'node:crypto';
import { afterEach, expect, it, jest } from '@jest/globals';
import kafkajs from 'kafkajs';
import { createRuntime } from '../../lib/broker/open-runtime.ts';
import { systemClock } from '../../lib/clock.ts';
import { loadConfig } from '../../lib/config.ts';
import { silentLogger } from '../../lib/log.ts';
import { noMetrics } from '../../lib/metrics.ts';
import { assemblePersister } from '../../lib/persister/assemble.ts';
import { startPostgres } from '../../scripts/dev/postgres.ts';
import { waitFor } from '../support/wait.ts';
import { updateRecord } from '../unit/persister/records.ts';

// A database that is stopped; every wait inside has a deadline of its own.
jest.setTimeout(600_000);

const document = { tenantId: 'default', roomId: 'room', docId: 'doc' };
const BUSY_MS = 120_000;
/** Half of it is waited for. As long again has the test, before the broker may take the record away. */
const RETENTION_MS = 40_000;
const LONG_MS = 3_600_000;
const cleanUps: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

async function setRetention(topic: string, retentionMs: number): Promise<void> {
  const brokers = process.env.KAFKA_BROKERS!.split(',');
  const admin = new kafkajs.Kafka({ brokers, logLevel: kafkajs.logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    await admin.alterConfigs({
      validateOnly: false,
      resources: [
        {
          type: kafkajs.ConfigResourceTypes.TOPIC,
          name: topic,
          configEntries: [{ name: 'retention.ms', value: String(retentionMs) }],
        },
      ],
    });
  } finally {
    await admin.disconnect();
  }
}

it('while PostgreSQL is stopped the persister tells that Kafka will soon forget what is not stored, and no longer afterwards', async () => {
  const postgres = await startPostgres();
  cleanUps.push(() => postgres.stop());
  const id = randomBytes(4).toString('hex');
  const config = loadConfig(
    {},
    {
      mode: 'cluster',
      kafkaBrokers: process.env.KAFKA_BROKERS!.split(','),
      databaseUrl: postgres.url,
      namespace: `r${id}`,
      topicPattern: `r${id}-{channel}`,
      partitions: 1,
      storeDelayMs: 0,
      logLevel: 'error',
    },
  );
  const runtime = createRuntime({ config, logger: silentLogger, nodeId: `test-${id}` });
  cleanUps.push(() => runtime.close());
  const [stream, store] = [await runtime.stream(), await runtime.store()];
  const { persister, retention } = await assemblePersister({
    config,
    stream,
    store,
    topics: runtime.topics,
    folder: { fold: () => Promise.resolve(undefined) },
    clock: systemClock,
    logger: silentLogger,
    metrics: noMetrics,
  });
  cleanUps.push(() => persister.stop());
  const target = runtime.topics.target('doc', document);
  const append = (version: number) => stream.append(target, [updateRecord({ of: document, version })]);
  const lag = async () => (await persister.positions())[0]?.lag;

  await setRetention(target.topic, RETENTION_MS);
  await persister.start();
  await append(1);
  await waitFor(async () => (await lag()) === 0, { timeoutMs: BUSY_MS, what: 'the first one is stored' });
  await retention.sweep();
  expect(retention.status()).toMatchObject({ lagRecords: 0, near: [] });

  await postgres.kill('SIGKILL');
  await append(2);
  await waitFor(
    async () => {
      await retention.sweep();
      return retention.status().near.length > 0;
    },
    { timeoutMs: BUSY_MS, what: 'the retention is near' },
  );
  await setRetention(target.topic, LONG_MS);
  expect(retention.status()).toMatchObject({ lagRecords: 1, near: [`${target.topic}/${target.partition}`] });
  expect(retention.status().usedRatio).toBeGreaterThan(0.5);

  await postgres.restart();
  await waitFor(async () => (await lag()) === 0, { timeoutMs: BUSY_MS, what: 'the second one is stored' });
  await retention.sweep();
  expect(retention.status()).toMatchObject({ lagRecords: 0, near: [] });
});
