import { isSound } from '../../lib/gateway/update-check.ts';
import {
  addressKey,
  ChunkAssembler,
  decodeAwarenessUpdate,
  decodeClientFrame,
  FrameKind,
  isStateVector,
  tryDecodeAwareness,
  tryDecodeEnvelope,
  tryDecodeMetadata,
  tryDecodeSync,
  validateAddress,
  type DocumentAddress,
  type Message,
  type NackCode,
  type ProtocolLimits,
} from '../../lib/protocol/index.ts';
import { ProtocolMessageType, SyncMessageType } from '../../lib/protocol/message-types.ts';

/** A nack that must come. */
export interface OwedNack {
  /** Undefined: any code will do. */
  code?: NackCode;
  /** What it names (`nameOf`); undefined: anything. */
  name?: string;
  /** What was judged: a frame, or an envelope of one. */
  bytes: Uint8Array;
}

export interface Expectation {
  nacks: readonly OwedNack[];
  /** Sound updates, which may enter the log. */
  updates: readonly Uint8Array[];
}

export interface ExpectationOptions {
  limits: ProtocolLimits;
  senderId: string;
  /** `addressKey` of each joined document. */
  joined: ReadonlySet<string>;
}

/** Text of what a nack names: a document and a version of it, a document, or nothing. */
export function nameOf(about: Partial<DocumentAddress> & { version?: number }): string {
  const { roomId, docId, subdocId, version = '' } = about;
  if (roomId === undefined || docId === undefined) return '';
  return `${addressKey({ roomId, docId, ...(subdocId === undefined ? {} : { subdocId }) })} ${version}`;
}

const NOTHING: Expectation = { nacks: [], updates: [] };

/**
 * Says for each frame of one connection which nacks a server owes: what cannot be read, is for a document that was not
 * joined, or carries an update that is not sound. What may or may not be refused (repeats, owed versions) is owed none.
 */
export class Expectations {
  readonly #options: ExpectationOptions;
  readonly #chunks: ChunkAssembler;
  /** Documents that the server may have joined meanwhile: what is sent to them may be refused or taken. */
  readonly #perhapsJoined = new Set<string>();
  /** Versions that were refused or are on their way get no second answer for sure. */
  readonly #seen = new Set<string>();
  readonly #unsound = new Set<string>();

  constructor(options: ExpectationOptions) {
    this.#options = options;
    this.#chunks = new ChunkAssembler(2 * options.limits.maxUpdateBytes + 64 * 1024);
  }

  /** A join that is no part of the attack's own is on its way. */
  mayJoin(request: unknown): void {
    if (typeof request !== 'object' || request === null) return;
    const address = validateAddress(request as Record<string, unknown>, this.#options.limits);
    if (address.ok) this.#perhapsJoined.add(addressKey(address.value));
  }

  /** Whether an update of this name was sent that is not sound. */
  wasUnsound(name: string): boolean {
    return this.#unsound.has(name);
  }

  of(bytes: Uint8Array): Expectation {
    if (bytes.byteLength > this.#options.limits.maxFrameBytes)
      return refused({ code: 'FRAME_TOO_LARGE', name: '', bytes });
    const frame = decodeClientFrame(bytes);
    if (!frame.ok) return refused({ code: frame.failure.code, name: '', bytes });
    if (frame.value.kind === FrameKind.Entries) return this.#ofEnvelopes(frame.value.envelopes);
    const whole = this.#chunks.add(frame.value.chunk);
    // It names the update when the first chunk said which one it is.
    if (!whole.ok) return refused({ code: whole.failure.code, bytes });
    if (!whole.value) return NOTHING;
    const inner = decodeClientFrame(whole.value);
    return inner.ok && inner.value.kind === FrameKind.Entries
      ? this.#ofEnvelopes(inner.value.envelopes)
      : refused({ code: 'BAD_CHUNK', name: '', bytes: whole.value });
  }

  #ofEnvelopes(envelopes: readonly Uint8Array[]): Expectation {
    const each = envelopes.map((bytes) => {
      const message = tryDecodeEnvelope(bytes, this.#options.limits);
      if (message.ok) return this.#ofMessage(message.value, bytes);
      const metadata = tryDecodeMetadata(bytes, this.#options.limits);
      const name = metadata.ok ? nameOf(metadata.value) : '';
      return refused({ code: message.failure.code, name, bytes });
    });
    return { nacks: each.flatMap(({ nacks }) => nacks), updates: each.flatMap(({ updates }) => updates) };
  }

  #ofMessage(message: Message, bytes: Uint8Array): Expectation {
    const { metadata, type, content } = message;
    const { joined, senderId } = this.#options;
    const name = nameOf(metadata);
    const key = addressKey(metadata);
    if (this.#perhapsJoined.has(key)) return { nacks: [], updates: this.#judge(message, bytes).updates };
    if (!joined.has(key)) return refused({ code: 'NOT_JOINED', name, bytes });
    if (metadata.senderId !== senderId) return refused({ code: 'BAD_METADATA', name, bytes });
    switch (type) {
      case ProtocolMessageType.Sync:
        return this.#judge(message, bytes);
      case ProtocolMessageType.Awareness: {
        const update = tryDecodeAwareness(content);
        const isGood = update.ok && decodeAwarenessUpdate(update.value).ok;
        const { version: _, ...document } = metadata;
        return isGood ? NOTHING : refused({ code: 'BAD_AWARENESS', name: nameOf(document), bytes });
      }
      case ProtocolMessageType.QueryAwareness:
        return NOTHING;
      default:
        return refused({ code: 'BAD_MESSAGE_TYPE', name, bytes });
    }
  }

  #judge({ metadata, type, content }: Message, bytes: Uint8Array): Expectation {
    if (type !== ProtocolMessageType.Sync) return NOTHING;
    const name = nameOf(metadata);
    const sync = tryDecodeSync(content);
    if (!sync.ok) return refused({ code: sync.failure.code, name, bytes });
    const { body } = sync.value;
    if (sync.value.type === SyncMessageType.Step1)
      return isStateVector(body) ? NOTHING : refused({ code: 'BAD_ENVELOPE', name, bytes });
    if (metadata.version === 0) return refused({ name, bytes });
    const isKnown = this.#seen.has(name);
    this.#seen.add(name);
    // A copy: who reads beyond its end must not find the rest of the frame.
    if (isSound(new Uint8Array(body))) return { nacks: [], updates: [body] };
    this.#unsound.add(name);
    return isKnown ? NOTHING : refused({ name, bytes });
  }
}

const refused = (nack: OwedNack): Expectation => ({ nacks: [nack], updates: [] });
