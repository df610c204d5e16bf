import type { Clock, TimerHandle } from '../clock.ts';
import { failpoint } from '../failpoints.ts';
import { encodeAcks, encodeEntries, MAX_ACKS_PER_FRAME } from '../protocol/frames.ts';
import type { DocumentAddress } from '../protocol/ids.ts';
import type { GatewayMetrics } from './gateway-metrics.ts';
import type { HostedDocument, Subscription } from './hosted-document.ts';
import type { LogEvent } from './document-log.ts';
import { createNack } from './nacks.ts';
import type { SharedFrame } from './port.ts';
import type { LogEntry } from './ring.ts';
import { shareFrame } from './shared-frame.ts';

export interface FanOutParts {
  clock: Clock;
  metrics: GatewayMetrics;
  /** The document's awareness is sent after its entries. */
  flushAwareness: (document: HostedDocument) => void;
  /** Records wait, but nobody has said yet in which generation and epoch: somebody has to ask. */
  onUnbased: (document: HostedDocument) => void;
  /** The log has said that the document does not exist any more; what came before has been handed on. */
  onDeleted: (document: HostedDocument) => void;
}

/**
 * Collects what the follow brings and sends it once for each tick: one entries frame for each document,
 * encoded once for all its subscriptions. A tick lasts as long as its document's pace says.
 */
export class FanOut {
  readonly #parts: FanOutParts;
  #dirty = new Set<HostedDocument>();
  readonly #paused = new Map<HostedDocument, TimerHandle>();

  constructor(parts: FanOutParts) {
    this.#parts = parts;
  }

  schedule(document: HostedDocument): void {
    if (this.#paused.has(document)) return;
    if (this.#dirty.size === 0) this.#parts.clock.setImmediate(() => this.#turn());
    this.#dirty.add(document);
  }

  /** Sends everything that is waiting now. */
  flush(): void {
    const paused = [...this.#paused.keys()];
    for (const timer of this.#paused.values()) timer.cancel();
    this.#paused.clear();
    for (const document of [...paused, ...this.#takeDirty()]) this.#send(document);
  }

  #turn(): void {
    const { clock } = this.#parts;
    const now = clock.now();
    for (const document of this.#takeDirty()) {
      const waitMs = document.size > 0 && !document.log.isDeleted ? document.pace.waitMs(now) : 0;
      if (waitMs === 0) this.#send(document);
      else
        this.#paused.set(
          document,
          clock.setTimeout(() => this.#goOn(document), waitMs),
        );
    }
  }

  #goOn(document: HostedDocument): void {
    this.#paused.delete(document);
    this.#send(document);
  }

  #takeDirty(): Set<HostedDocument> {
    const dirty = this.#dirty;
    this.#dirty = new Set();
    return dirty;
  }

  #send(document: HostedDocument): void {
    if (document.log.hasWaiting) this.#parts.onUnbased(document);
    if (document.tick.length > 0) deliverTick(document, this.#parts);
    if (document.log.isDeleted && document.size > 0) this.#parts.onDeleted(document);
    this.#parts.flushAwareness(document);
  }
}

function deliverTick(document: HostedDocument, parts: FanOutParts): void {
  const events = document.tick;
  document.tick = [];
  const entries: LogEntry[] = [];
  const byOwner = new Map<string, LogEvent[]>();
  for (const event of events) {
    const owner = event.kind === 'stale' ? event.owner : event.entry.owner;
    if (event.kind === 'entry') entries.push(event.entry);
    if (owner === '') continue;
    const own = byOwner.get(owner);
    if (own) own.push(event);
    else byOwner.set(owner, [event]);
  }
  const whole = new WholeFrame(entries);
  let frames = 0;
  failpoint('fan-out:before');
  for (const subscription of document.subscriptions) {
    const own = byOwner.get(subscription.owner);
    if (own) failpoint('ack:before');
    if (subscription.isLive && entries.length > 0) {
      sendTick(subscription, whole, own);
      frames++;
    }
    if (own) settleOwn(subscription, own, parts);
    if (own) failpoint('ack:after');
  }
  failpoint('fan-out:after');
  document.pace.sent(frames, parts.clock.now());
  parts.metrics.framesSent.add(frames);
  parts.metrics.entriesSent.add(frames * entries.length);
}

/** The frame that most subscriptions get, encoded when the first one needs it. */
class WholeFrame {
  readonly entries: LogEntry[];
  #frame: SharedFrame | undefined;

  constructor(entries: LogEntry[]) {
    this.entries = entries;
  }

  get frame(): SharedFrame {
    this.#frame ??= shareFrame(encodeEntries(this.entries));
    return this.#frame;
  }
}

function sendTick(subscription: Subscription, whole: WholeFrame, own: LogEvent[] | undefined): void {
  const { entries } = whole;
  const isPartial = entries[0]!.position.offset <= subscription.deliverAfter;
  if (isPartial || own) {
    const rest = isPartial
      ? entries.filter(({ position }) => position.offset > subscription.deliverAfter)
      : entries;
    if (isPartial || rest.every(({ owner }) => owner === subscription.owner)) {
      sendEntries(subscription, rest);
      return;
    }
  }
  send(subscription, whole.frame, entries.at(-1)!);
}

/** Entries to one subscription in a frame of its own; acks when all of them are its own. */
function sendEntries(subscription: Subscription, entries: readonly LogEntry[]): void {
  const last = entries.at(-1);
  if (!last) return;
  const isOwn = entries.every(({ owner }) => owner === subscription.owner);
  if (!isOwn) return send(subscription, shareFrame(encodeEntries(entries)), last);
  for (const part of ackParts(entries))
    send(subscription, shareFrame(encodeAcks(subscription.document.address, part)), part.at(-1)!);
}

/** A client refuses a frame with more acks. */
function* ackParts(entries: readonly LogEntry[]): Generator<readonly LogEntry[]> {
  for (let from = 0; from < entries.length; from += MAX_ACKS_PER_FRAME)
    yield entries.slice(from, from + MAX_ACKS_PER_FRAME);
}

/** Entries behind a state: whole, since a client that was given one may lack even its own. */
export function sendWhole(subscription: Subscription, entries: readonly LogEntry[]): void {
  const last = entries.at(-1);
  if (last) send(subscription, shareFrame(encodeEntries(entries)), last);
}

function send(subscription: Subscription, frame: SharedFrame, last: LogEntry): void {
  subscription.generation = last.position.generation;
  subscription.outbox.send(subscription, frame, last.position);
}

/** What the log says about the subscription's own updates, beside the entries. */
function settleOwn(
  subscription: Subscription,
  own: readonly LogEvent[],
  { clock, metrics }: FanOutParts,
): void {
  const { document, outbox, versions } = subscription;
  const address: DocumentAddress = document.address;
  const repeats: LogEntry[] = [];
  for (const event of own) {
    const version = event.kind === 'stale' ? event.version : event.entry.version;
    const attempt = versions.settle(version);
    if (attempt && event.kind !== 'stale') {
      metrics.acks.inc();
      metrics.ackSeconds.observe((clock.now() - attempt.startedAtMs) / 1000);
    }
    if (event.kind === 'repeat' && event.entry.position.offset > subscription.deliverAfter)
      repeats.push(event.entry);
    if (event.kind !== 'stale') continue;
    const { isDeleted, barrier } = document.log;
    const code = isDeleted ? 'DOCUMENT_DELETED' : 'GENERATION_CHANGED';
    metrics.nacks.inc({ code });
    outbox.nack(createNack(code, { address, version, position: isDeleted ? barrier : event.barrier }));
  }
  // A repeat is not fanned out again, but its sender waits for the ack.
  if (!subscription.isLive) return;
  for (const part of ackParts(repeats))
    outbox.send(subscription, shareFrame(encodeAcks(address, part)), part.at(-1)!.position);
}
