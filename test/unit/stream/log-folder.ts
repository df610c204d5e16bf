import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../../lib/clock.ts';
import { silentLogger } from '../../../lib/log.ts';
import {
  createEmbeddedStream,
  type EmbeddedStream,
  type EmbeddedStreamOptions,
} from '../../../lib/stream/embedded.ts';
import type { StreamRecord } from '../../../lib/stream/port.ts';

/** A temporary folder with the logs that were opened in it; `remove` closes them and deletes it. */
export class LogFolder {
  readonly path = mkdtempSync(join(tmpdir(), 'y-kafka-log-'));
  readonly file = join(this.path, 'log.sqlite');
  readonly #opened: EmbeddedStream[] = [];

  async open(options: Partial<EmbeddedStreamOptions> = {}): Promise<EmbeddedStream> {
    const stream = await createEmbeddedStream({
      file: this.file,
      clock: systemClock,
      logger: silentLogger,
      maxRecordBytes: 8 * 1024 * 1024,
      bufferBytes: 64 * 1024 * 1024,
      ...options,
    });
    this.#opened.push(stream);
    return stream;
  }

  async remove(): Promise<void> {
    for (const stream of this.#opened) await stream.close();
    rmSync(this.path, { recursive: true, force: true });
  }
}

export const recordOf = (text: string, bytes = 0): StreamRecord => ({
  key: 'tenant/room/doc',
  value: Buffer.from(text.padEnd(bytes)),
  headers: { s: 'sender' },
});
