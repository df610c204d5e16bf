import type { DocumentOperations } from '../protocol/index.ts';
import { Alarm, type ProviderEnvironment } from './environment.ts';
import { lackingUpdate, type ServerKnowledge } from './lacking.ts';

/**
 * A gateway may answer a join with a state that is a little older than the log and send the rest behind it: what
 * lacks in the state alone may be in the log already. The state says where that ends; should it never come, this
 * many milliseconds are enough.
 */
const PATIENCE_MS = 2_000;

export interface UploadCheckOptions {
  environment: ProviderEnvironment;
  /** Updates that will be sent anyway, or wait for it. */
  queued: () => readonly Uint8Array[];
  /** The server has everything, or lacks this. */
  onDecided: (lacking: Uint8Array | undefined) => void;
}

/** Finds out what the server lacks of a document that had content before its first state. */
export class UploadCheck {
  readonly #options: UploadCheckOptions;
  readonly #alarm: Alarm;
  #entries: Uint8Array[] | undefined;
  #decide: () => Uint8Array | undefined = () => undefined;

  constructor(options: UploadCheckOptions) {
    this.#options = options;
    this.#alarm = new Alarm(options.environment);
  }

  /** True while it is not known yet; also after an interruption, until the next whole state. */
  get isPending(): boolean {
    return this.#entries !== undefined;
  }

  /** Decides at once when nothing lacks, else when `finish` says that the entries behind the state are there. */
  begin(document: DocumentOperations, server: Omit<ServerKnowledge, 'queued'>): void {
    const entries: Uint8Array[] = (this.#entries = []);
    this.#decide = () => {
      try {
        const queued = [...this.#options.queued(), ...entries];
        return lackingUpdate(document, { ...server, queued });
      } catch {
        return undefined; // only a trapped document throws here, and its trap is reported elsewhere
      }
    };
    if (this.#decide() === undefined) this.#decided(undefined);
    else this.#alarm.set(PATIENCE_MS, () => this.finish());
  }

  /** Decides now: the entries behind the state are there, or the document is about to go. */
  finish(): void {
    this.#alarm.clear();
    if (this.isPending) this.#decided(this.#decide());
  }

  /** An entry that has come since: the server has this too. */
  note(update: Uint8Array): void {
    this.#entries?.push(update);
  }

  /** The connection broke before it was decided. */
  interrupt(): void {
    this.#alarm.clear();
  }

  /** It does not matter any more: the document is another one. */
  cancel(): void {
    this.#alarm.clear();
    this.#entries = undefined;
  }

  #decided(lacking: Uint8Array | undefined): void {
    this.#entries = undefined;
    this.#decide = () => undefined;
    this.#options.onDecided(lacking);
  }
}
