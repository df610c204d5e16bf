import { createRuntime } from '../lib/broker/open-runtime.ts';
import { loadConfig } from '../lib/config.ts';
import { isAppError } from '../lib/errors.ts';
import { silentLogger } from '../lib/log.ts';
import { tryDecodeEnvelope } from '../lib/protocol/envelope.ts';
import type { DeliveredRecord, Stream, TopicPartition } from '../lib/stream/port.ts';
import { readOptions, runCommand, wholeNumber } from './lib/command-line.ts';

const USAGE = `Usage: node_modules/.bin/node scripts/records.ts [--topic TOPIC] [--partition N] [--last N]

Shows the last records of a partition: key, headers, metadata; of the content only its size. Without --partition:
where each partition begins and ends. Reads Kafka when KAFKA_BROKERS is set, else the log in DATA_DIR.`;
const MAX_BYTES = 64 * 1024 * 1024;

function describe({ offset, timestampMs, key, headers, value }: DeliveredRecord): string {
  const envelope = tryDecodeEnvelope(value);
  const read = envelope.ok
    ? { messageType: envelope.value.type, metadata: envelope.value.metadata }
    : { unreadable: envelope.failure };
  const at = new Date(timestampMs).toISOString();
  return JSON.stringify({ offset, at, key, headers, bytes: value.byteLength, ...read });
}

async function showPartitions(stream: Stream, topic: string): Promise<void> {
  const identity = await stream.identity(topic);
  if (!identity)
    return console.log(`There is no topic ${topic}. Topics: ${(await stream.listTopics()).join(', ')}`);
  console.log(JSON.stringify(identity));
  for (let partition = 0; partition < identity.partitions; partition++) {
    const at = { topic, partition };
    const [startOffset, endOffset] = [await stream.startOffset(at), await stream.endOffset(at)];
    if (endOffset > startOffset) console.log(JSON.stringify({ partition, startOffset, endOffset }));
  }
}

async function showRecords(stream: Stream, at: TopicPartition, last: number): Promise<void> {
  const toOffset = await stream.endOffset(at);
  const fromOffset = Math.max(await stream.startOffset(at), toOffset - last);
  const { records } = await stream.read({ ...at, fromOffset, toOffset, maxBytes: MAX_BYTES });
  for (const record of records) console.log(describe(record));
}

async function run(): Promise<number> {
  const text = { type: 'string' } as const;
  const { topic = 'yjs-doc', ...values } = readOptions({ topic: text, partition: text, last: text });
  const last = wholeNumber('last', values.last ?? '20', { min: 1 });
  const partition = values.partition && wholeNumber('partition', values.partition);
  const config = loadConfig(process.env, process.env.KAFKA_BROKERS ? { mode: 'cluster' } : {});
  const runtime = createRuntime({ config, logger: silentLogger, nodeId: 'records' });
  try {
    const stream = await runtime.stream();
    if (typeof partition !== 'number') await showPartitions(stream, topic);
    else await showRecords(stream, { topic, partition }, last);
    return 0;
  } finally {
    await runtime.close();
  }
}

await runCommand({ usage: USAGE, run, isExpected: isAppError });
