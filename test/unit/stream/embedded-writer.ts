import { systemClock } from '../../../lib/clock.ts';
import { silentLogger } from '../../../lib/log.ts';
import { createEmbeddedStream } from '../../../lib/stream/embedded.ts';

/**
 * A process that appends until it is killed: `node embedded-writer.ts FILE ROUND`. Prints a line `PARTITION
 * OFFSET TEXT` for each record once its append has resolved, `PARTITION OFFSET` for a droppable one, or the
 * type of the error that kept it from starting.
 */
const [file, round] = process.argv.slice(2) as [string, string];
const TOPIC = { topic: 'doc', kind: 'doc', partitions: 4 } as const;
const AWARENESS = 4;
const PARTITIONS = 4;

try {
  const stream = await createEmbeddedStream({
    file,
    clock: systemClock,
    logger: silentLogger,
    maxRecordBytes: 1024 * 1024,
    bufferBytes: 64 * 1024 * 1024,
  });
  await stream.ensureTopics([TOPIC, { topic: 'awareness', kind: 'awareness', partitions: 1 }]);
  const write = async (partition: number) => {
    for (let n = 0; ; n++) {
      const texts = Array.from({ length: 1 + (n % 3) }, (_, at) => `${round}.${n}.${at}`);
      const offsets = await stream.append(
        { topic: 'doc', partition },
        texts.map((text) => ({
          key: 'k',
          value: Buffer.from(text.padEnd(n % 5 === 0 ? 30_000 : 100)),
          headers: {},
        })),
      );
      process.stdout.write(offsets.map((offset, at) => `${partition} ${offset} ${texts[at]}\n`).join(''));
    }
  };
  const chat = async () => {
    for (;;) {
      const [offset] = await stream.append(
        { topic: 'awareness', partition: 0 },
        [{ key: 'k', value: new Uint8Array(20), headers: {} }],
        { durability: 'droppable' },
      );
      process.stdout.write(`${AWARENESS} ${offset}\n`);
    }
  };
  await Promise.all([...Array.from({ length: PARTITIONS }, (_, partition) => write(partition)), chat()]);
} catch (error) {
  process.stdout.write(`${(error as { type?: string }).type ?? String(error)}\n`);
  process.exitCode = 1;
}
