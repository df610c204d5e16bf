import * as decoding from 'lib0/decoding';
import * as awarenessProtocol from 'y-protocols/awareness';
import * as Y from 'yjs';
import { decodeAwarenessUpdate, MAX_AWARENESS_STATES } from './awareness.ts';
import { exactBytes, readCount, readText } from './bytes.ts';
import {
  encodeAwarenessPayload,
  encodeSyncPayload,
  tryDecodeAwareness,
  tryDecodeControl,
  tryDecodeSync,
  type ControlMessage,
  type SyncContent,
} from './envelope.ts';
import { failed, type ProtocolFailure } from './failures.ts';
import { ProtocolMessageType, SyncMessageType } from './message-types.ts';
import type { NackCode } from './nack-codes.ts';

/** What is asked of a CRDT document, whoever implements it; updates and state vectors are in the V1 encoding. */
export interface DocumentOperations {
  /** Throws when the update cannot be applied; the document may then be in need of a fresh sync. */
  applyUpdate(update: Uint8Array, origin: unknown): void;
  /** All that `stateVector` lacks (everything without one), pending structs included. */
  encodeStateAsUpdate(stateVector?: Uint8Array): Uint8Array;
  encodeStateVector(): Uint8Array;
}

export function yjsOperations(doc: Y.Doc): DocumentOperations {
  return {
    applyUpdate: (update, origin) => Y.applyUpdate(doc, update, origin),
    encodeStateAsUpdate: (stateVector) => Y.encodeStateAsUpdate(doc, stateVector),
    encodeStateVector: () => Y.encodeStateVector(doc),
  };
}

export interface HandledMessage {
  ok: true;
  type: ProtocolMessageType;
  /** Payload to send back to where the message came from. */
  reply?: Uint8Array;
  /** The message was an update or a SyncStep2, and the document has taken it. */
  applied?: boolean;
  /** The message said that access is denied, with this reason. */
  permissionDenied?: string;
  control?: ControlMessage;
}

/** BAD_ENVELOPE: not a message. BAD_UPDATE: the document did not take it. BAD_AWARENESS: likewise the awareness. */
export interface RefusedMessage {
  ok: false;
  failure: ProtocolFailure;
  /** What the document threw. */
  cause?: unknown;
}

export interface ProtocolCodecContextOptions {
  doc: DocumentOperations;
  awareness?: awarenessProtocol.Awareness;
}

/** Longest reason of a denied permission that is read, in bytes. */
const MAX_REASON_BYTES = 4 * 1024;

/**
 * One document's end of the Yjs protocol: what y-protocols does with a message, for any implementation of
 * documents, without throwing. For whoever holds a document: a provider, a service. The gateway holds none.
 */
export class ProtocolCodecContext {
  readonly doc: DocumentOperations;
  readonly awareness: awarenessProtocol.Awareness | undefined;
  #synced = false;

  constructor({ doc, awareness }: ProtocolCodecContextOptions) {
    this.doc = doc;
    this.awareness = awareness;
  }

  /** True once a SyncStep2 has been applied. */
  get synced(): boolean {
    return this.#synced;
  }

  /** After a disconnect: the next SyncStep2 counts again. */
  resetSynced(): void {
    this.#synced = false;
  }

  /** The payload that asks the other side for what this document lacks. */
  encodeSyncStep1(): Uint8Array {
    return encodeSyncPayload(SyncMessageType.Step1, this.doc.encodeStateVector());
  }

  /** The payload that shows the given clients' awareness (all known ones by default), undefined when there is none. */
  encodeAwareness(clients?: readonly number[]): Uint8Array | undefined {
    const { awareness } = this;
    if (!awareness) return undefined;
    const shown = (clients ?? ownFirst(awareness)).filter((client) => awareness.meta.has(client));
    if (shown.length === 0) return undefined;
    return encodeAwarenessPayload(
      awarenessProtocol.encodeAwarenessUpdate(awareness, shown.slice(0, MAX_AWARENESS_STATES)),
    );
  }

  /** Takes one payload, message type included. `origin` is what the document's events name as the origin. */
  handle(payload: Uint8Array, origin: unknown = this): HandledMessage | RefusedMessage {
    const decoder = decoding.createDecoder(payload);
    const type = readCount(decoder);
    const content = payload.subarray(decoder.pos);
    switch (type) {
      case ProtocolMessageType.Sync:
        return this.#handleSync(content, origin);
      case ProtocolMessageType.Awareness:
        return this.#handleAwareness(content, origin);
      case ProtocolMessageType.Auth:
        return handleAuth(content);
      case ProtocolMessageType.QueryAwareness:
        return replyWith(type, this.encodeAwareness());
      case ProtocolMessageType.Control: {
        const control = tryDecodeControl(content);
        return control.ok ? { ok: true, type, control: control.value } : control;
      }
      default:
        return failed('BAD_ENVELOPE', 'The message type is unknown.');
    }
  }

  #handleSync(content: Uint8Array, origin: unknown): HandledMessage | RefusedMessage {
    const sync = tryDecodeSync(content);
    if (!sync.ok) return sync;
    return attempt('BAD_UPDATE', () => this.#takeSync(sync.value, origin));
  }

  #takeSync({ type, body }: SyncContent, origin: unknown): HandledMessage {
    // A view would let a length inside the body reach into its neighbours (see bytes.ts).
    const bytes = exactBytes(body);
    if (type === SyncMessageType.Step1) {
      const update = this.doc.encodeStateAsUpdate(bytes);
      return replyWith(ProtocolMessageType.Sync, encodeSyncPayload(SyncMessageType.Step2, update));
    }
    this.doc.applyUpdate(bytes, origin);
    if (type === SyncMessageType.Step2) this.#synced = true;
    return { ok: true, type: ProtocolMessageType.Sync, applied: true };
  }

  #handleAwareness(content: Uint8Array, origin: unknown): HandledMessage | RefusedMessage {
    const update = tryDecodeAwareness(content);
    if (!update.ok) return update;
    const states = decodeAwarenessUpdate(update.value); // y-protocols throws on what this refuses
    if (!states.ok) return states;
    const { awareness } = this;
    return attempt('BAD_AWARENESS', () => {
      if (awareness) awarenessProtocol.applyAwarenessUpdate(awareness, exactBytes(update.value), origin);
      return { ok: true, type: ProtocolMessageType.Awareness };
    });
  }
}

/** So that the own state is among those that fit one message. */
function ownFirst(awareness: awarenessProtocol.Awareness): number[] {
  const known = [...awareness.getStates().keys()];
  return known.sort((a, b) => Number(b === awareness.clientID) - Number(a === awareness.clientID));
}

function replyWith(type: ProtocolMessageType, reply: Uint8Array | undefined): HandledMessage {
  return reply ? { ok: true, type, reply } : { ok: true, type };
}

/** As y-protocols/auth writes it: VarUint 0 (permission denied), VarString reason. */
function handleAuth(content: Uint8Array): HandledMessage | RefusedMessage {
  const decoder = decoding.createDecoder(content);
  const kind = readCount(decoder);
  const permissionDenied = readText(decoder, MAX_REASON_BYTES);
  if (kind !== 0 || permissionDenied === undefined || decoding.hasContent(decoder))
    return failed('BAD_ENVELOPE', 'The auth message is malformed.');
  return { ok: true, type: ProtocolMessageType.Auth, permissionDenied };
}

function attempt(code: NackCode, action: () => HandledMessage): HandledMessage | RefusedMessage {
  try {
    return action();
  } catch (cause) {
    return { ...failed(code), cause };
  }
}
