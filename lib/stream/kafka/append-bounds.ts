import { AppError } from '../../errors.ts';
import type { StreamRecord } from '../port.ts';

/** Bytes that may wait to be appended. */
export class AppendBounds {
  readonly #maxBytes: number;
  readonly #maxRecordBytes: number;
  #waitingBytes = 0;

  constructor(bounds: { maxBytes: number; maxRecordBytes: number }) {
    this.#maxBytes = bounds.maxBytes;
    this.#maxRecordBytes = bounds.maxRecordBytes;
  }

  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** Their bytes, which wait from now on. STREAM_RECORD_TOO_LARGE, STREAM_BUFFER_FULL; what is alone always fits. */
  take(records: readonly StreamRecord[]): number {
    const maxRecordBytes = this.#maxRecordBytes;
    if (records.some(({ value }) => value.byteLength > maxRecordBytes))
      throw new AppError('STREAM_RECORD_TOO_LARGE', { data: { maxRecordBytes } });
    const bytes = records.reduce((sum, record) => sum + sizeOf(record), 0);
    if (this.#waitingBytes > 0 && this.#waitingBytes + bytes > this.#maxBytes)
      throw new AppError('STREAM_BUFFER_FULL', { data: { maxBytes: this.#maxBytes } });
    this.#waitingBytes += bytes;
    return bytes;
  }

  release(bytes: number): void {
    this.#waitingBytes -= bytes;
  }
}

export function sizeOf({ key, value, headers }: StreamRecord): number {
  let bytes = value.byteLength + key.length;
  for (const name of Object.keys(headers)) bytes += name.length + headers[name]!.length;
  return bytes;
}
