import type { JoinAccepted, JoinAnswer, JoinRequest, Position, Refusal } from '../protocol/index.ts';
import { Backoff } from './backoff.ts';
import { Alarm, type ProviderEnvironment } from './environment.ts';

/**
 * resume: what came after the own position. full: a whole state, cut down to what the document lacks.
 * uncut: a whole state as a new document needs it. Each serves the purposes of those before it.
 */
export type JoinKind = 'resume' | 'full' | 'uncut';
const STRENGTH = { resume: 0, full: 1, uncut: 2 } as const;

export interface JoinAttempt {
  readonly kind: JoinKind;
  /** What the request said to have heard: an answer below it means that the server has lost its log. */
  readonly heard: Position | undefined;
  accepted?: JoinAccepted;
}

export interface JoinCycleOptions {
  environment: ProviderEnvironment;
  retryMinMs: number;
  retryMaxMs: number;
  /** Milliseconds without an answer or a piece of the state after which the join is asked again. */
  timeoutMs: number;
  request: (kind: JoinKind) => JoinRequest;
  send: (request: JoinRequest, onAnswer: (answer: JoinAnswer) => void) => void;
  onAccepted: (accepted: JoinAccepted) => void;
  /** Only permanent refusals; the others are tried again. */
  onRefused: (refusal: Refusal) => void;
}

/** The joins of one document: one at a time, the strongest that is wanted, again after a transient refusal. */
export class JoinCycle {
  readonly #options: JoinCycleOptions;
  readonly #retry: Alarm;
  readonly #timeout: Alarm;
  readonly #backoff: Backoff;
  #isConnected = false;
  #wanted: JoinKind | undefined;
  #current: JoinAttempt | undefined;

  constructor(options: JoinCycleOptions) {
    this.#options = options;
    this.#retry = new Alarm(options.environment);
    this.#timeout = new Alarm(options.environment);
    this.#backoff = new Backoff({
      minMs: options.retryMinMs,
      maxMs: options.retryMaxMs,
      random: options.environment.random,
    });
  }

  /** True while an answer or its state is awaited, or a join is about to be asked. */
  get isActive(): boolean {
    return this.#current !== undefined || this.#wanted !== undefined;
  }

  /** True while another join will follow the one under way. */
  get hasNext(): boolean {
    return this.#wanted !== undefined;
  }

  connected(kind: JoinKind): void {
    this.disconnected();
    this.#isConnected = true;
    this.want(kind);
  }

  /** What was under way is gone with the connection. */
  disconnected(): void {
    this.#isConnected = false;
    this.cancel();
    this.#backoff.reset();
  }

  /** Forgets what is wanted and what is under way: its answer will be ignored. */
  cancel(): void {
    this.#wanted = undefined;
    this.#current = undefined;
    this.#retry.clear();
    this.#timeout.clear();
  }

  want(kind: JoinKind): void {
    if (!this.#wanted || STRENGTH[kind] > STRENGTH[this.#wanted]) this.#wanted = kind;
    this.#start();
  }

  /** Like `want`, after a growing delay: for joins that follow a failure. */
  wantLater(kind: JoinKind, atLeastMs = 0): void {
    if (!this.#wanted || STRENGTH[kind] > STRENGTH[this.#wanted]) this.#wanted = kind;
    if (!this.#retry.isSet) this.#retry.set(this.#backoff.nextMs(atLeastMs), () => this.#start());
  }

  /** A piece of the state has come: the server is at it. */
  progress(): void {
    if (this.#current) this.#armTimeout(this.#current);
  }

  /** The attempt that the state with this number answers; undefined for any other state. */
  take(join: number): JoinAttempt | undefined {
    const attempt = this.#current;
    if (!attempt?.accepted || attempt.accepted.join !== join) return undefined;
    this.#current = undefined;
    this.#timeout.clear();
    return attempt;
  }

  /**
   * The gateway has sent a state of its own accord. When a join has been accepted, that is because it had to drop the
   * join's state for a connection that took too little: it will not come, and the join is asked again.
   */
  overtaken(): void {
    const attempt = this.#current;
    if (!attempt?.accepted) return;
    this.#current = undefined;
    this.#timeout.clear();
    this.want(attempt.kind);
  }

  /** The state has been taken in: the next failure begins with a short delay again, and what else is wanted begins. */
  succeeded(): void {
    this.#backoff.reset();
    this.#start();
  }

  #start(): void {
    const kind = this.#wanted;
    if (!kind || !this.#isConnected || this.#current || this.#retry.isSet) return;
    this.#wanted = undefined;
    const request = this.#options.request(kind);
    const attempt: JoinAttempt = { kind, heard: request.heard };
    this.#current = attempt;
    this.#armTimeout(attempt);
    this.#options.send(request, (answer) => {
      if (attempt === this.#current) this.#onAnswer(attempt, answer);
    });
  }

  #armTimeout(attempt: JoinAttempt): void {
    this.#timeout.set(this.#options.timeoutMs, () => {
      this.#current = undefined;
      this.wantLater(attempt.kind);
    });
  }

  #onAnswer(attempt: JoinAttempt, answer: JoinAnswer): void {
    if (answer.ok) {
      attempt.accepted = answer;
      this.#armTimeout(attempt);
      return this.#options.onAccepted(answer);
    }
    this.#current = undefined;
    this.#timeout.clear();
    if (!answer.permanent) return this.wantLater(attempt.kind, answer.retryAfterMs);
    this.cancel();
    this.#options.onRefused(answer);
  }
}
