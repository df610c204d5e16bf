import * as Y from 'yjs';
import {
  addressKey,
  ChunkAssembler,
  decodeAwarenessUpdate,
  decodeClientFrame,
  FrameKind,
  tryDecodeAwareness,
  tryDecodeEnvelope,
  tryDecodeSync,
  type Message,
  type ProtocolLimits,
} from '../../lib/protocol/index.ts';
import { ProtocolMessageType, SyncMessageType } from '../../lib/protocol/message-types.ts';

export interface Expectation {
  /** Nacks that must come, at least. */
  nacks: number;
  /** Sound updates, which may enter the log. */
  updates: readonly Uint8Array[];
}

export interface ExpectationOptions {
  limits: ProtocolLimits;
  senderId: string;
  /** `addressKey` of each joined document. */
  joined: ReadonlySet<string>;
}

/**
 * Says for each frame of one connection how many nacks a server owes: what cannot be read, is for a document that
 * was not joined, or can be decoded by nobody. What may or may not be refused (repeats, owed versions) counts for none.
 */
export class Expectations {
  readonly #options: ExpectationOptions;
  readonly #chunks: ChunkAssembler;
  /** Versions that were refused or are on their way get no second answer for sure. */
  readonly #seen = new Set<string>();

  constructor(options: ExpectationOptions) {
    this.#options = options;
    this.#chunks = new ChunkAssembler(2 * options.limits.maxUpdateBytes + 64 * 1024);
  }

  of(bytes: Uint8Array): Expectation {
    if (bytes.byteLength > this.#options.limits.maxFrameBytes) return refused(1);
    const frame = decodeClientFrame(bytes);
    if (!frame.ok) return refused(1);
    if (frame.value.kind === FrameKind.Entries) return this.#ofEnvelopes(frame.value.envelopes);
    const whole = this.#chunks.add(frame.value.chunk);
    if (!whole.ok) return refused(1);
    if (!whole.value) return refused(0);
    const inner = decodeClientFrame(whole.value);
    return inner.ok && inner.value.kind === FrameKind.Entries
      ? this.#ofEnvelopes(inner.value.envelopes)
      : refused(1);
  }

  #ofEnvelopes(envelopes: readonly Uint8Array[]): Expectation {
    const sum = { nacks: 0, updates: [] as Uint8Array[] };
    for (const bytes of envelopes) {
      const message = tryDecodeEnvelope(bytes, this.#options.limits);
      const { nacks, updates } = message.ok ? this.#ofMessage(message.value) : refused(1);
      sum.nacks += nacks;
      sum.updates.push(...updates);
    }
    return sum;
  }

  #ofMessage({ metadata, type, content }: Message): Expectation {
    const { joined, senderId } = this.#options;
    const key = addressKey(metadata);
    if (!joined.has(key) || metadata.senderId !== senderId) return refused(1);
    if (type === ProtocolMessageType.Awareness) {
      const update = tryDecodeAwareness(content);
      return refused(update.ok && decodeAwarenessUpdate(update.value).ok ? 0 : 1);
    }
    if (type === ProtocolMessageType.QueryAwareness) return refused(0);
    if (type !== ProtocolMessageType.Sync) return refused(1);
    const sync = tryDecodeSync(content);
    if (!sync.ok) return refused(1);
    if (sync.value.type === SyncMessageType.Step1) return refused(0);
    if (metadata.version === 0) return refused(1);
    const name = `${key} ${metadata.version}`;
    const isKnown = this.#seen.has(name);
    this.#seen.add(name);
    if (isSound(sync.value.body)) return { nacks: 0, updates: [sync.value.body] };
    return refused(isKnown ? 0 : 1);
  }
}

const refused = (nacks: number): Expectation => ({ nacks, updates: [] });

function isSound(update: Uint8Array): boolean {
  try {
    Y.decodeUpdate(new Uint8Array(update));
    return true;
  } catch {
    return false; // that it throws is the answer
  }
}
