import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { silentLogger, type Logger } from '../../lib/log.ts';
import { prepareTransporterTopics, transporterTopics } from '../../lib/stream/kafka.ts';
import type { Stream } from '../../lib/stream/port.ts';
import { openStream, sharedBrokers } from './support/kafka-harness.ts';

interface Warning {
  topics: string[];
  differences: string[];
}

/** Collects what is told of topics that are otherwise than configured. */
function warningsInto(found: Warning[]): Logger {
  const warn = (fields: object, message: string) => {
    if (message === 'topics have other settings than configured') found.push(fields as Warning);
  };
  return { ...silentLogger, warn } as Logger;
}

describe('topics that exist before a process starts', () => {
  const streams: Stream[] = [];
  const open = async (options: Parameters<typeof openStream>[1] = {}) => {
    const opened = await openStream(sharedBrokers(), options);
    streams.push(opened);
    return opened;
  };
  let maker: Stream;
  beforeAll(async () => {
    maker = await open();
  });
  afterAll(() => Promise.all(streams.map((stream) => stream.close())));

  it('with the configured settings are taken without a word', async () => {
    const topic = `same-${randomUUID()}`;
    const found: Warning[] = [];
    const spec = { topic, kind: 'doc' as const, partitions: 2 };
    await maker.ensureTopics([spec]);
    await (await open({ logger: warningsInto(found) })).ensureTopics([spec]);
    expect(found).toEqual([]);
  });

  it('with fewer copies, or other settings, are warned of in one line, and not changed', async () => {
    const names = [`few-${randomUUID()}`, `few-${randomUUID()}`];
    const found: Warning[] = [];
    const specs = names.map((topic) => ({ topic, kind: 'doc' as const, partitions: 2 }));
    await maker.ensureTopics(specs);
    const logger = warningsInto(found);
    const other = await open({ logger, replicationFactor: 3, minInsyncReplicas: 2, retentionMs: 7_200_000 });
    await other.ensureTopics(specs);
    expect(found).toEqual([
      {
        topics: names,
        differences: [
          'replication.factor is 1, configured is 3',
          'retention.ms is 3600000, configured is 7200000',
          'segment.ms is 3600000, configured is 7200000',
          'min.insync.replicas is 1, configured is 2',
        ],
      },
    ]);
  });

  it('of the transporter are compared, too', async () => {
    const namespace = `ns-${randomUUID()}`;
    const found: Warning[] = [];
    const prepare = (minInsyncReplicas: number) =>
      prepareTransporterTopics({
        config: { kafkaBrokers: sharedBrokers(), namespace, replicationFactor: 1, minInsyncReplicas },
        nodeId: 'node-1',
        logger: warningsInto(found),
      });
    await prepare(1);
    await prepare(1);
    expect(found).toEqual([]);
    await prepare(2);
    const differences = ['min.insync.replicas is 1, configured is 2'];
    expect(found).toEqual([{ topics: transporterTopics(namespace, 'node-1'), differences }]);
  });
});

it('more copies than there are brokers are refused with the name of the setting', async () => {
  const stream = await openStream(sharedBrokers(), { replicationFactor: 3 });
  const spec = { topic: `many-${randomUUID()}`, kind: 'doc' as const, partitions: 1 };
  await expect(stream.ensureTopics([spec])).rejects.toMatchObject({
    type: 'BAD_CONFIG',
    message: expect.stringContaining('YKAFKA_REPLICATION_FACTOR'),
  });
  await stream.close();
});
