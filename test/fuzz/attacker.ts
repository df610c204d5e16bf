import { RawWebSocket } from '../../bench/load/raw-websocket.ts';
import {
  addressKey,
  decodeServerFrame,
  FrameKind,
  type CloseNotice,
  type DocumentAddress,
  type JoinAnswer,
  type Nack,
  type ProtocolLimits,
} from '../../lib/protocol/index.ts';
import { waitFor } from '../support/wait.ts';
import type { Corpus } from './corpus.ts';
import { Expectations } from './expectation.ts';
import { mutated, mutateRequest, type Source } from './mutate.ts';
import { OwedNacks } from './owed-nacks.ts';
import type { SeededRandom } from './random.ts';

export interface AttackOptions {
  url: string;
  corpus: Corpus;
  limits: ProtocolLimits;
  random: SeededRandom;
  /** 12 characters, as that of the corpus. */
  roomId: string;
  /** Frames before this attacker leaves by itself. */
  frames: number;
  /** Told of each update that is sound and may enter the log. */
  onSound: (update: Uint8Array) => void;
}

export interface AttackReport {
  frames: number;
  requests: number;
  nacks: Record<string, number>;
  acks: number;
  closed?: CloseNotice;
  /** Nacks that were owed and did not come, although the connection lived on: what was owed, and for which bytes. */
  unanswered: string[];
  /** Nacks for what was sound. */
  unexpected: string[];
}

const BATCH = 100;
const ANSWER_TIMEOUT_MS = 30_000;
const JOIN_TIMEOUT_MS = 120_000;
const EVENT_HEAD = '451-["protocol-message",{"_placeholder":true,"num":0}]';
const NACK_EVENT = '42["protocol-nack",';
const CLOSE_EVENT = '42["protocol-close",';

/** One connection that joins the documents of the corpus and then sends what nobody should send. */
export class Attacker {
  readonly report: AttackReport = {
    frames: 0,
    requests: 0,
    nacks: {},
    acks: 0,
    unanswered: [],
    unexpected: [],
  };
  readonly #options: AttackOptions;
  readonly #source: Source;
  readonly #expectations: Expectations;
  readonly #owed = new OwedNacks();
  readonly #senderId: string;
  readonly #addresses: Corpus['addresses'];
  readonly #answers = new Map<number, (answer: JoinAnswer) => void>();
  #socket: RawWebSocket | undefined;
  #isClosed = false;
  #isConnected = false;
  #isFrame = false;
  #lastId = 0;
  #version = 0;

  constructor(options: AttackOptions) {
    this.#options = options;
    const { corpus, random, roomId, limits } = options;
    // The same bytes in a room of its own, as the first of the recorded senders.
    this.#senderId = Buffer.from(random.bytes(16)).toString('hex');
    const replaced = (frames: readonly Uint8Array[]) =>
      frames.map((frame) => {
        let bytes = replaceText(frame, corpus.roomId, roomId);
        for (const sender of corpus.senderIds) bytes = replaceText(bytes, sender, this.#senderId);
        return bytes;
      });
    this.#source = {
      toServer: replaced(corpus.toServer),
      toClient: replaced(corpus.toClient),
      nextVersion: () => ++this.#version,
    };
    this.#addresses = corpus.addresses.map((address) => ({ ...address, roomId }));
    this.#expectations = new Expectations({
      limits,
      senderId: this.#senderId,
      joined: new Set(this.#addresses.map(addressKey)),
    });
  }

  /** Resolves when all is sent and answered, or the server has closed the connection. */
  async run(): Promise<AttackReport> {
    await this.#connect();
    for (const address of this.#addresses) await this.#join(address);
    while (this.report.frames < this.#options.frames && !this.#isClosed) await this.#batch();
    this.#socket?.close();
    return this.report;
  }

  /** What the server cannot do yet is asked again: a machine that is busy is no finding. */
  async #join(address: DocumentAddress): Promise<void> {
    const isJoined = async () => {
      const answer = await this.#ask('join', { ...address, senderId: this.#senderId });
      if (answer.ok || this.#isClosed) return true;
      if (answer.permanent) throw new Error(`The join of an attacker was refused: ${answer.code}`);
      return false;
    };
    await waitFor(isJoined, { timeoutMs: JOIN_TIMEOUT_MS, intervalMs: 500, what: 'an attacker joins' });
  }

  async #connect(): Promise<void> {
    const url = `${this.#options.url.replace(/^http/, 'ws')}/socket.io/?EIO=4&transport=websocket`;
    this.#socket = await RawWebSocket.open(url);
    this.#socket.listen({
      onText: (text) => this.#onText(text),
      onBinary: (bytes) => this.#onBinary(bytes),
      onClose: () => this.#onClose(),
    });
    await waitFor(() => this.#isConnected, { timeoutMs: ANSWER_TIMEOUT_MS, what: 'a connection' });
  }

  async #batch(): Promise<void> {
    const { random, frames } = this.#options;
    const asked: Promise<JoinAnswer>[] = [];
    for (let count = 0; count < BATCH && this.report.frames < frames;) {
      for (const frame of mutated(this.#source, random)) {
        this.#shoot(frame);
        count++;
      }
      if (random.chance(0.02)) asked.push(this.#askOddly());
    }
    // Answered behind all of it: what has no answer then is looked at for a while longer, and then counted.
    const address = { roomId: 'nobody', docId: 'nobody' };
    await Promise.all([...asked, this.#ask('leave', address)]);
    const isAnswered = () => this.#isClosed || this.#owed.count === 0;
    await waitFor(isAnswered, { timeoutMs: ANSWER_TIMEOUT_MS }).catch(() => {
      this.report.unanswered.push(...this.#owed.takeUnanswered());
    });
  }

  #shoot(frame: Uint8Array): void {
    const { nacks, updates } = this.#expectations.of(frame);
    this.#owed.add(nacks);
    for (const update of updates) this.#options.onSound(update);
    this.report.frames++;
    this.#socket!.sendTextThenBinary(EVENT_HEAD, frame);
  }

  /** A join or leave that is wrong somehow; any answer will do. */
  #askOddly(): Promise<JoinAnswer> {
    const { random, corpus } = this.#options;
    const { stateVector: _, ...join } = random.pick(corpus.joins);
    const request = {
      ...join,
      roomId: random.chance(0.7) ? this.#options.roomId : 'elsewhere',
      senderId: this.#senderId,
    };
    this.report.requests++;
    // Not the attacker's own documents: they stay joined.
    const odd = mutateRequest({ ...request, docId: random.pick(['text-2', 'other', 'x']) }, random);
    const isOwn = this.#addresses.some(({ docId }) => docId === (odd as { docId?: unknown } | null)?.docId);
    const stateVector = random.chance(0.3) ? random.bytes(random.below(12)) : undefined;
    const event = random.pick(['join', 'leave'] as const);
    // From now on frames may be for a document that is joined, though it is none of the attacker's own.
    if (event === 'join' && !isOwn) this.#expectations.mayJoin(odd);
    return this.#ask(event, isOwn ? {} : odd, stateVector);
  }

  #ask(event: 'join' | 'leave', request: unknown, stateVector?: Uint8Array): Promise<JoinAnswer> {
    const id = ++this.#lastId;
    return new Promise<JoinAnswer>((resolve, reject) => {
      if (this.#isClosed) return resolve(GONE);
      const timer = setTimeout(
        () => reject(new Error(`A ${event} was not answered: ${JSON.stringify(request)}`)),
        ANSWER_TIMEOUT_MS,
      );
      this.#answers.set(id, (answer) => {
        clearTimeout(timer);
        resolve(answer);
      });
      if (!stateVector) return this.#socket!.sendText(`42${id}${JSON.stringify([event, request])}`);
      const placeholder = { _placeholder: true, num: 0 };
      const fields = typeof request === 'object' ? request : {};
      const text = `451-${id}${JSON.stringify([event, { ...fields, stateVector: placeholder }])}`;
      this.#socket!.sendTextThenBinary(text, stateVector);
    });
  }

  #onText(text: string): void {
    this.#isFrame = text.startsWith('451-["protocol-message"');
    if (text === '2') this.#socket!.sendText('3');
    else if (text.startsWith('0')) this.#socket!.sendText('40{}');
    else if (text.startsWith('40')) this.#isConnected = true;
    else if (text.startsWith(NACK_EVENT)) this.#onNack(eventOf(text) as Nack);
    else if (text.startsWith(CLOSE_EVENT)) this.report.closed = eventOf(text) as CloseNotice;
    else if (/^4[36]/.test(text)) {
      const [, id, body] = /^4(?:3|6\d+-)(\d+)(.*)$/s.exec(text)!;
      this.#answers.get(Number(id))?.((JSON.parse(body!) as [JoinAnswer])[0]);
      this.#answers.delete(Number(id));
    }
  }

  #onNack(nack: Nack): void {
    if (!this.#owed.settle(nack, (name) => this.#expectations.wasUnsound(name)))
      this.report.unexpected.push(JSON.stringify(nack));
    this.report.nacks[nack.code] = (this.report.nacks[nack.code] ?? 0) + 1;
  }

  #onBinary(bytes: Buffer): void {
    if (!this.#isFrame) return;
    const frame = decodeServerFrame(bytes);
    if (!frame.ok) throw new Error('The server has sent an unreadable frame.');
    if (frame.value.kind === FrameKind.Acks) this.report.acks += frame.value.acks.length;
  }

  #onClose(): void {
    this.#isClosed = true;
    for (const answer of this.#answers.values()) answer(GONE);
    this.#answers.clear();
  }
}

const GONE: JoinAnswer = {
  ok: false,
  code: 'UNAVAILABLE',
  message: 'The connection is gone.',
  permanent: false,
};

const eventOf = (text: string): unknown => (JSON.parse(text.slice(2)) as [string, unknown])[1];

function replaceText(bytes: Uint8Array, from: string, to: string): Uint8Array {
  const copy = Buffer.from(bytes);
  for (let at = copy.indexOf(from); at >= 0; at = copy.indexOf(from, at + to.length))
    copy.write(to, at, 'latin1');
  return new Uint8Array(copy);
}
