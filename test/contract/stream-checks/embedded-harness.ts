import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../../lib/clock.ts';
import { silentLogger } from '../../../lib/log.ts';
import { createEmbeddedStream, type EmbeddedStream } from '../../../lib/stream/embedded.ts';
import type { StreamHarness } from './harness.ts';

const MAX_RECORD_BYTES = 2 * 1024 * 1024;

/** The embedded log in a folder of its own. */
export async function makeEmbedded(): Promise<StreamHarness & { stream: EmbeddedStream }> {
  const folder = await mkdtemp(join(tmpdir(), 'y-kafka-log-'));
  const open = () =>
    createEmbeddedStream({
      file: join(folder, 'log.sqlite'),
      clock: systemClock,
      logger: silentLogger,
      maxRecordBytes: MAX_RECORD_BYTES,
      bufferBytes: 64 * 1024 * 1024,
    });
  const stream = await open();
  let current = stream;
  return {
    stream,
    maxRecordBytes: MAX_RECORD_BYTES,
    reopen: async () => (current = await open()),
    trim: (partition, beforeOffset) => current.trim(partition, beforeOffset),
    dispose: async () => {
      await current.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
