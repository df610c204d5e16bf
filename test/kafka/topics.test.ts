import kafkajs, { type Admin } from 'kafkajs';
import { randomUUID } from 'node:crypto';
import { ServiceBroker } from 'moleculer';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { silentLogger } from '../../lib/log.ts';
import { prepareTransporterTopics, transporterTopics } from '../../lib/stream/kafka.ts';
import type { RecordBatch, Stream, TopicKind } from '../../lib/stream/port.ts';
import { waitFor } from '../support/wait.ts';
import { MAX_RECORD_BYTES, openAdmin, openStream, sharedBrokers } from './support/kafka-harness.ts';

const SLOW = { timeoutMs: 90_000 };

describe('topics', () => {
  let stream: Stream;
  let admin: Admin;
  const others: Stream[] = [];

  const another = async (options: Parameters<typeof openStream>[1] = {}) => {
    const opened = await openStream(sharedBrokers(), options);
    others.push(opened);
    return opened;
  };

  beforeAll(async () => {
    [stream, admin] = await Promise.all([openStream(sharedBrokers()), openAdmin(sharedBrokers())]);
  });

  afterAll(async () => {
    await Promise.all([stream?.close(), admin?.disconnect(), ...others.map((other) => other.close())]);
  });

  async function settingsOf(topic: string): Promise<Record<string, string>> {
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic }],
    });
    return Object.fromEntries(
      resources[0]!.configEntries.map(({ configName, configValue }) => [configName, configValue]),
    );
  }

  it.each<[TopicKind, string]>([
    ['doc', '3600000'],
    ['awareness', '600000'],
    ['control', '600000'],
  ])('of kind %s keep records for %s ms and are never compacted', async (kind, retention) => {
    const topic = `settings-${kind}-${randomUUID()}`;
    await stream.ensureTopics([{ topic, kind, partitions: 2 }]);
    const settings = await settingsOf(topic);
    expect(settings).toMatchObject({
      'cleanup.policy': 'delete',
      'retention.ms': retention,
      'min.insync.replicas': '1',
      'unclean.leader.election.enable': 'false',
    });
    expect(Number(settings['max.message.bytes'])).toBeGreaterThan(MAX_RECORD_BYTES);
    expect(Number(settings['segment.ms'])).toBeLessThanOrEqual(Number(retention));
  });

  it('are followed only as the one that is meant', async () => {
    const topic = `meant-${randomUUID()}`;
    await stream.ensureTopics([{ topic, kind: 'doc', partitions: 1 }]);
    const { topicId } = (await stream.identity(topic))!;
    const follow = (meant: string, errors: unknown[]) =>
      stream.follow({
        topic,
        partition: 0,
        fromOffset: 0,
        topicId: meant,
        onBatch: () => undefined,
        onError: (error) => errors.push(error),
      });
    const [ofRight, errors]: [unknown[], unknown[]] = [[], []];
    const right = await follow(topicId, ofRight);
    expect(right.topicId).toBe(topicId);
    const wrong = await follow(randomUUID(), errors);
    await waitFor(() => errors.length > 0, { ...SLOW, what: 'the alarm' });
    const changed = { type: 'STREAM_IDENTITY_CHANGED' };
    expect(errors).toMatchObject([changed]);
    expect(ofRight).not.toContainEqual(expect.objectContaining(changed));
    await Promise.all([right.stop(), wrong.stop()]);
  });

  it('take a record of the full length, and many at once', async () => {
    const topic = `big-${randomUUID()}`;
    await stream.ensureTopics([{ topic, kind: 'doc', partitions: 1 }]);
    const value = new Uint8Array(MAX_RECORD_BYTES).fill(7);
    const big = { key: 'k'.repeat(500), value, headers: { s: 'x'.repeat(100) } };
    const offsets = await stream.append({ topic, partition: 0 }, [big, big, big]);
    const small = Array.from({ length: 3000 }, () => ({ key: 'k', value: new Uint8Array(500), headers: {} }));
    offsets.push(...(await stream.append({ topic, partition: 0 }, small)));
    expect(offsets).toEqual(offsets.map((_, at) => at));
    const range = { topic, partition: 0, fromOffset: 0, toOffset: offsets.length };
    const { records } = await stream.read({ ...range, maxBytes: 64 * 1024 * 1024 });
    expect(records.map(({ offset }) => offset)).toEqual(offsets);
    expect(Buffer.compare(records[2]!.value, value)).toBe(0);
  });

  it('of rooms that others make are taken up by a follow, a group and topics()', async () => {
    const elsewhere = await another();
    const prefix = `room-${randomUUID()}`;
    const topic = `${prefix}-1`;
    const followed: RecordBatch[] = [];
    const consumed: RecordBatch[] = [];
    const announced: string[] = [];
    // The group begins anew with each topic that it takes up, from where its member says that it is.
    const next = new Map<string, number>();
    const watch = stream.topics((name) => announced.push(name));
    const follow = await stream.follow({
      topic,
      partition: 0,
      fromOffset: 'end',
      onBatch: (batch) => void followed.push(batch),
    });
    const member = await stream.consume({
      group: prefix,
      topics: [],
      accepts: (name) => name.startsWith(prefix),
      startOffset: async (at) => next.get(at.topic) ?? 0,
      onBatch: async (batch) => {
        consumed.push(batch);
        next.set(batch.topic, batch.nextOffset);
        return batch.nextOffset;
      },
    });
    const specs = [1, 2, 3].map((n) => ({ topic: `${prefix}-${n}`, kind: 'doc' as const, partitions: 1 }));
    for (const spec of specs) {
      await elsewhere.ensureTopics([spec]);
      await elsewhere.append({ topic: spec.topic, partition: 0 }, [
        { key: 'k', value: Buffer.from(spec.topic), headers: {} },
      ]);
    }
    const countOf = (batches: RecordBatch[]) => batches.flatMap(({ records }) => records).length;
    await waitFor(() => countOf(followed) >= 1 && countOf(consumed) >= 3, { ...SLOW, what: 'all records' });
    await waitFor(() => specs.every((spec) => announced.includes(spec.topic)), {
      ...SLOW,
      what: 'the announcements',
    });
    expect(countOf(followed)).toBe(1);
    expect(countOf(consumed)).toBe(3);
    expect(announced.filter((name) => name.startsWith(prefix)).sort()).toEqual(
      specs.map((spec) => spec.topic),
    );
    await Promise.all([watch.stop(), follow.stop(), member.stop()]);
  });

  it('that are deleted do not hold up appends to others', async () => {
    const own = await another({ appendTimeoutMs: 1500, producers: 1 });
    const specs = [1, 2, 3].map((n) => ({
      topic: `gone-${n}-${randomUUID()}`,
      kind: 'doc' as const,
      partitions: 1,
    }));
    const [gone, kept, late] = specs.map(({ topic }) => ({ topic, partition: 0 }));
    const record = { key: 'k', value: Buffer.from('x'), headers: {} };
    await own.ensureTopics(specs);
    // A busy broker may be later than the time limit.
    const isTaken = (target: typeof gone) =>
      waitFor(() => own.append(target!, [record]).catch(() => undefined), { ...SLOW, what: 'an append' });
    await isTaken(gone);
    await isTaken(kept);
    await admin.deleteTopics({ topics: [gone!.topic] });
    // Brokers hear of a deletion a moment after it is answered.
    const refusal = await waitFor(
      () =>
        own.append(gone!, [record]).then(
          () => undefined,
          (error: unknown) => error,
        ),
      { ...SLOW, what: 'an append is refused' },
    );
    expect(refusal).toMatchObject({ retryable: true });
    await isTaken(kept);
    // kafkajs asks for the metadata of all its topics at once, and the deleted one would make that fail.
    await waitFor(() => own.append(late!, [record]).catch(() => undefined), {
      ...SLOW,
      what: 'a topic that is new to it',
    });
    await waitFor(
      () =>
        own.append(gone!, [record]).then(
          () => false,
          (error: { type?: string }) => error.type === 'STREAM_TOPIC_MISSING',
        ),
      { ...SLOW, what: 'the deleted one is told to be missing' },
    );
  });
});

describe('the topics of the transporter', () => {
  it('are all that Moleculer uses, with short retention, and made only once', async () => {
    const brokers = sharedBrokers();
    const namespace = `ns-${randomUUID()}`;
    const nodeId = 'node-1';
    const config = { kafkaBrokers: brokers, namespace, replicationFactor: 1, minInsyncReplicas: 1 };
    const prepare = () => prepareTransporterTopics({ config, nodeId, logger: silentLogger });
    await Promise.all([prepare(), prepare()]);
    await prepare();
    const admin = await openAdmin(brokers);
    const made = transporterTopics(namespace, nodeId);
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: made.map((name) => ({ type: kafkajs.ConfigResourceTypes.TOPIC, name })),
    });
    for (const { configEntries } of resources) {
      const retention = configEntries.find(({ configName }) => configName === 'retention.ms');
      expect(Number(retention?.configValue)).toBeLessThanOrEqual(3_600_000);
    }
    const broker = new ServiceBroker({
      namespace,
      nodeID: nodeId,
      logger: false,
      transporter: { type: 'Kafka', options: { bootstrapBrokers: brokers } },
    });
    await broker.start();
    const ofNamespace = (await admin.listTopics()).filter((name) => name.startsWith(`MOL-${namespace}`));
    await broker.stop();
    await admin.disconnect();
    expect(ofNamespace.sort()).toEqual([...made].sort());
  });
});
