import * as encoding from 'lib0/encoding';

/*
 * Updates of about 100 bytes that any Yjs server integrates, made without a Y.Doc: each appends text behind
 * what the same client wrote before. The text begins with a stamp, which survives re-encoding and merging:
 *
 *   3 bytes  1e 1f 1e
 *   5 bytes  sender, decimal
 *   14 bytes time of sending, microseconds of the machine's monotonic clock, decimal
 *
 * So a delivery is one stamp seen by one client, however the server packs its frames.
 */
const MARK = '\x1e\x1f\x1e';
const MARK_BYTES = Buffer.from(MARK);
const SENDER_DIGITS = 5;
const TIME_DIGITS = 14;
const PADDING_BYTES = 56;
const STAMP_LENGTH = MARK.length + SENDER_DIGITS + TIME_DIGITS;

const CONTENT_STRING = 4;
const HAS_LEFT_ORIGIN = 0x80;

/** The same clock in every process of the machine. */
export const nowUs = () => Number(process.hrtime.bigint() / 1000n);

/** Writes the updates of one client of one document. */
export class UpdateWriter {
  readonly #client: number;
  readonly #sender: string;
  readonly #padding: string;
  #clock = 0;

  constructor(sender: number, paddingBytes = PADDING_BYTES) {
    this.#padding = '.'.repeat(paddingBytes);
    this.#sender = String(sender).padStart(SENDER_DIGITS, '0');
    this.#client = 1_000_000 + sender;
  }

  next(): Uint8Array {
    const encoder = encoding.createEncoder();
    encoding.writeVarUint(encoder, 1); // clients
    encoding.writeVarUint(encoder, 1); // structs
    encoding.writeVarUint(encoder, this.#client);
    encoding.writeVarUint(encoder, this.#clock);
    if (this.#clock > 0) {
      encoding.writeUint8(encoder, CONTENT_STRING | HAS_LEFT_ORIGIN);
      encoding.writeVarUint(encoder, this.#client);
      encoding.writeVarUint(encoder, this.#clock - 1);
    } else {
      encoding.writeUint8(encoder, CONTENT_STRING);
      encoding.writeVarUint(encoder, 1); // the parent is a root type
      encoding.writeVarString(encoder, 'text');
    }
    const time = String(nowUs()).padStart(TIME_DIGITS, '0');
    encoding.writeVarString(encoder, MARK + this.#sender + time + this.#padding);
    encoding.writeVarUint(encoder, 0); // nothing deleted
    this.#clock += STAMP_LENGTH + this.#padding.length;
    return encoding.toUint8Array(encoder);
  }
}

/** Calls back for each stamp in a message. */
export function readStamps(message: Buffer, onStamp: (sender: number, sentUs: number) => void): void {
  for (let at = message.indexOf(MARK_BYTES); at >= 0; at = message.indexOf(MARK_BYTES, at)) {
    at += MARK_BYTES.byteLength;
    if (at + SENDER_DIGITS + TIME_DIGITS > message.byteLength) return;
    const sender = readDigits(message, at, SENDER_DIGITS);
    const sentUs = readDigits(message, at + SENDER_DIGITS, TIME_DIGITS);
    if (sender >= 0 && sentUs >= 0) onStamp(sender, sentUs);
  }
}

/** -1 when something else than digits is there. */
function readDigits(bytes: Buffer, from: number, count: number): number {
  let value = 0;
  for (let i = from; i < from + count; i++) {
    const digit = bytes[i]! - 48;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}
