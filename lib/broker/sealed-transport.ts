import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Middleware } from 'moleculer';
import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';

/*
 * A sealed packet of the transporter:
 *
 *   1   version, 1
 *   16  salt of the process that sent it; its key is HKDF-SHA256 of the secret with it
 *   12  counter of that process, the nonce
 *   16  tag
 *   …   AES-256-GCM of the packet; what kind of packet it is stands beside it and is proven with it
 */

const VERSION = 1;
const CIPHER = 'aes-256-gcm';
const KEY_BYTES = 32;
const SALT_BYTES = 16;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const HEAD_BYTES = 1 + SALT_BYTES + NONCE_BYTES + TAG_BYTES;
/** Processes whose keys are remembered. */
const MAX_KEYS = 1_000;
/** The same complaint comes at most so often. */
const COMPLAINT_MS = 60_000;

type Send = (topic: string, data: Buffer, meta: { packet?: { type?: string } }) => Promise<void>;
type Receive = (command: string, data: Buffer) => unknown;

export interface SealedTransportParts {
  /** The same in every process. */
  secret: string;
  clock: Pick<Clock, 'now'>;
  logger: Logger;
}

/**
 * Everything that processes say to each other over the transporter is encrypted and proven: who reads its topics learns
 * nothing, and who writes there without the secret is not heard. What was said can be said again by who has copied it.
 */
export function sealTransport({ secret, clock, logger }: SealedTransportParts): Middleware {
  const packets = new PacketSealer(secret);
  let complainedAt = -Infinity;
  return {
    name: 'SealTransport',
    transporterSend(next: Send): Send {
      return (topic, data, meta) => next(topic, packets.seal(data, meta.packet?.type ?? ''), meta);
    },
    transporterReceive(next: Receive): Receive {
      return (command, data) => {
        const opened = packets.open(data, command);
        if (opened) return next(command, opened);
        if (clock.now() - complainedAt >= COMPLAINT_MS) {
          complainedAt = clock.now();
          logger.warn({ command }, 'message of another process cannot be opened');
        }
        return undefined;
      };
    },
    // Moleculer's types describe what the hooks return as what they are.
  } as unknown as Middleware;
}

/** Seals and opens packets; each process has a key of its own, so that no nonce is used twice. */
export class PacketSealer {
  readonly #secret: string;
  readonly #salt = randomBytes(SALT_BYTES);
  readonly #key: Uint8Array;
  readonly #keys = new LRUCache<string, Uint8Array>({ max: MAX_KEYS });
  #sent = 0n;

  constructor(secret: string) {
    this.#secret = secret;
    this.#key = this.#keyOf(this.#salt);
  }

  seal(data: Uint8Array, kind: string): Buffer {
    const nonce = Buffer.alloc(NONCE_BYTES);
    nonce.writeBigUInt64BE(this.#sent++, NONCE_BYTES - 8);
    const cipher = createCipheriv(CIPHER, this.#key, nonce).setAAD(Buffer.from(kind));
    const sealed = [cipher.update(data), cipher.final()];
    return Buffer.concat([Buffer.of(VERSION), this.#salt, nonce, cipher.getAuthTag(), ...sealed]);
  }

  /** Undefined for what was not sealed by this secret, as this kind of packet. */
  open(data: Buffer, kind: string): Buffer | undefined {
    if (data.byteLength < HEAD_BYTES || data[0] !== VERSION) return undefined;
    const salt = data.subarray(1, 1 + SALT_BYTES);
    const nonce = data.subarray(1 + SALT_BYTES, HEAD_BYTES - TAG_BYTES);
    const tag = data.subarray(HEAD_BYTES - TAG_BYTES, HEAD_BYTES);
    const options = { authTagLength: TAG_BYTES };
    const decipher = createDecipheriv(CIPHER, this.#keyOf(salt), nonce, options)
      .setAAD(Buffer.from(kind))
      .setAuthTag(tag);
    try {
      return Buffer.concat([decipher.update(data.subarray(HEAD_BYTES)), decipher.final()]);
    } catch {
      return undefined; // the tag does not fit: that is the answer
    }
  }

  #keyOf(salt: Buffer): Uint8Array {
    const name = salt.toString('base64');
    let key = this.#keys.get(name);
    if (!key) {
      key = new Uint8Array(hkdfSync('sha256', this.#secret, salt, 'ykafka transport', KEY_BYTES));
      this.#keys.set(name, key);
    }
    return key;
  }
}
