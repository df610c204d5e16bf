import { Duplex } from 'node:stream';
import type { PgliteThread } from './pglite-thread.ts';

type Done = (error?: Error | null) => void;

const TERMINATE = 'X'.charCodeAt(0);
/** A typed message is its type byte and an Int32 length that counts itself; the startup message has no type. */
const HEADER_BYTES = 5;
const STARTUP_HEADER_BYTES = 4;

/**
 * The socket of the `pg` driver to a PGlite in this process. What the driver writes in one go is executed in
 * one go. No port is opened: a database without password would be anybody's on this machine; and nothing is
 * put together chunk by chunk, which for a snapshot of 50 MB over a loopback socket took 25 s.
 */
export class PgliteStream extends Duplex {
  readonly #opening: Promise<PgliteThread>;
  #db: PgliteThread | undefined;
  #rest: Buffer = Buffer.alloc(0);
  #isStarted = false;
  #isEnded = false;

  constructor(db: Promise<PgliteThread>) {
    super({ allowHalfOpen: false });
    this.#opening = db;
  }

  connect(): this {
    this.#opening.then(
      (db) => {
        this.#db = db;
        this.emit('connect');
      },
      (error: Error) => this.destroy(error),
    );
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  override _read(): void {
    // answers are pushed when they come
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Done): void {
    this.#take([chunk]).then(() => done(), done);
  }

  override _writev(chunks: { chunk: Buffer }[], done: Done): void {
    this.#take(chunks.map(({ chunk }) => chunk)).then(() => done(), done);
  }

  override _final(done: Done): void {
    this.#isEnded = true;
    this.push(null);
    done();
  }

  /** A connection that breaks off inside a transaction must not leave it to the next one. */
  override _destroy(error: Error | null, done: Done): void {
    if (this.#isEnded || !this.#db || this.#db.closed) return done(error);
    this.#db.rollback().then(
      () => done(error),
      (failure: Error) => done(error ?? failure),
    );
  }

  async #take(chunks: Buffer[]): Promise<void> {
    const all = this.#rest.byteLength > 0 ? [this.#rest, ...chunks] : chunks;
    const bytes = all.length === 1 ? all[0]! : Buffer.concat(all);
    const { end, isLast } = this.#completeMessages(bytes);
    this.#rest = bytes.subarray(end);
    if (isLast) this.#isEnded = true;
    if (end === 0) return;
    const output = await this.#db!.execute(bytes.subarray(0, end));
    if (output.byteLength > 0) this.push(output);
  }

  /** The end of the last whole message before a farewell, which PGlite must not see: it would end the database. */
  #completeMessages(bytes: Buffer): { end: number; isLast: boolean } {
    let end = 0;
    for (;;) {
      const left = bytes.byteLength - end;
      if (left < (this.#isStarted ? HEADER_BYTES : STARTUP_HEADER_BYTES)) return { end, isLast: false };
      if (this.#isStarted && bytes[end] === TERMINATE) return { end, isLast: true };
      const size = this.#isStarted ? 1 + bytes.readInt32BE(end + 1) : bytes.readInt32BE(end);
      if (left < size) return { end, isLast: false };
      this.#isStarted = true;
      end += size;
    }
  }
}
