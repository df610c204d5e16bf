import type { Awareness } from 'y-protocols/awareness';
import { ProtocolCodecContext, type HandledMessage } from '../protocol/index.ts';
import { AwarenessSync } from './awareness-sync.ts';
import type { DocumentAdapter } from './document-adapter.ts';

export interface ReplicaOptions {
  adapter: DocumentAdapter;
  awareness: Awareness | undefined;
  origin: unknown;
  /** Versions up to this one were made by an earlier document: their content need not be in this one. */
  versionsBefore: number;
  onLocalUpdate: (update: Uint8Array) => void;
  onAwarenessDirty: () => void;
}

/** The application's document as this end of the protocol: changes in, changes out, nothing thrown. */
export class Replica {
  readonly adapter: DocumentAdapter;
  readonly awareness: AwarenessSync | undefined;
  readonly versionsBefore: number;
  /** True when there was content before anything of the server: it may be unknown to the server. */
  readonly hadContent: boolean;
  readonly #codec: ProtocolCodecContext;
  readonly #origin: unknown;
  readonly #stopUpdates: () => void;

  constructor(options: ReplicaOptions) {
    const { adapter, awareness, origin } = options;
    this.adapter = adapter;
    this.versionsBefore = options.versionsBefore;
    this.hadContent = !adapter.isEmpty();
    this.#origin = origin;
    this.#codec = new ProtocolCodecContext(awareness ? { doc: adapter, awareness } : { doc: adapter });
    this.#stopUpdates = adapter.onLocalUpdate(origin, options.onLocalUpdate);
    if (awareness)
      this.awareness = new AwarenessSync({ awareness, origin, onDirty: options.onAwarenessDirty });
  }

  /** Takes a sync, awareness or auth payload. `cause` says why it could not. */
  handle(payload: Uint8Array): HandledMessage | { ok: false; cause: unknown } {
    const handled = this.#codec.handle(payload, this.#origin);
    return handled.ok ? handled : { ok: false, cause: handled.cause ?? handled.failure };
  }

  isEmpty(): boolean {
    try {
      return this.adapter.isEmpty();
    } catch {
      return false; // a trapped instance cannot say; the next update that it cannot take is reported
    }
  }

  /** Undefined when the document cannot say; the next update that it cannot take is reported. */
  stateVector(): Uint8Array | undefined {
    try {
      return this.adapter.encodeStateVector();
    } catch {
      return undefined; // a trapped instance, see isEmpty
    }
  }

  isTrap(error: unknown): boolean {
    return this.adapter.isTrap(error);
  }

  /** Lets go of the document; the document itself stays as it is. */
  detach(): void {
    this.#stopUpdates();
    this.awareness?.detach();
  }
}
