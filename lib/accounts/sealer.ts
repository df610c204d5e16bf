import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';

const CIPHER = 'aes-256-gcm';
const KEY_BYTES = 32;
const IV_BYTES = 12;
const TAG_BYTES = 16;

/** What is done with the secret of the installation (`YKAFKA_SECRET`): a key of its own for each purpose, by HKDF. */
export class Sealer {
  readonly #sealing: Uint8Array;
  readonly #deriving: Uint8Array;

  constructor(secret: string) {
    this.#sealing = derive(secret, 'ykafka sealing');
    this.#deriving = derive(secret, 'ykafka session tokens');
  }

  /** Encrypts (AES-256-GCM); `about` has to be the same when it is opened. base64url of iv, tag, ciphertext. */
  seal(text: string, about: string): string {
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv(CIPHER, this.#sealing, iv).setAAD(Buffer.from(about));
    const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
    return Buffer.concat([iv, cipher.getAuthTag(), sealed]).toString('base64url');
  }

  /** Undefined when it was sealed with another secret, about something else, or has been changed. */
  open(sealed: string, about: string): string | undefined {
    const bytes = Buffer.from(sealed, 'base64url');
    if (bytes.byteLength < IV_BYTES + TAG_BYTES) return undefined;
    const decipher = createDecipheriv(CIPHER, this.#sealing, bytes.subarray(0, IV_BYTES), {
      authTagLength: TAG_BYTES,
    })
      .setAAD(Buffer.from(about))
      .setAuthTag(bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
    try {
      const opened = [decipher.update(bytes.subarray(IV_BYTES + TAG_BYTES)), decipher.final()];
      return Buffer.concat(opened).toString('utf8');
    } catch {
      return undefined; // the tag does not fit: that is the answer
    }
  }

  /** The token that follows a session's token: whoever asks twice gets the same, nobody else can compute it. */
  successorOf(token: string): string {
    return createHmac('sha256', this.#deriving).update(token).digest('base64url');
  }
}

function derive(secret: string, purpose: string): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', secret, '', purpose, KEY_BYTES));
}
