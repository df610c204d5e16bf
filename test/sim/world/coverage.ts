import type { JoinAnswer, JoinRequest, Nack } from '../../../lib/protocol/events.ts';
import { decodeServerFrame, FrameKind } from '../../../lib/protocol/frames.ts';
import { addressKey, type DocumentAddress } from '../../../lib/protocol/ids.ts';
import type { SyncRequest } from '../../../lib/sync/port.ts';
import type { Counters } from '../engine/counters.ts';
import * as describe from './describe.ts';
import type { SimConnection, WireTap } from '../parts/network.ts';

/** What is seen on the wires: which of the rare paths were taken. Nothing is asked of the code under test. */
export class Coverage implements WireTap {
  readonly #counters: Counters;
  readonly #calls = new Map<string, number>();
  readonly #callsAtJoin = new WeakMap<JoinRequest, number>();
  readonly #joined = new WeakMap<SimConnection, Set<string>>();

  readonly #onTrace: ((line: string) => void) | undefined;

  constructor(counters: Counters, onTrace?: (line: string) => void) {
    this.#counters = counters;
    this.#onTrace = onTrace;
  }

  onCall({ document, senderId }: SyncRequest): void {
    const key = callKey(document, senderId);
    this.#calls.set(key, (this.#calls.get(key) ?? 0) + 1);
  }

  onClientFrame(connection: SimConnection, frame: Uint8Array): void {
    if (this.#onTrace) this.#trace(connection, '=>', describe.clientFrame(frame));
  }

  onJoin(connection: SimConnection, request: JoinRequest): void {
    if (this.#onTrace) this.#trace(connection, '=>', describe.joinRequest(request));
    this.#callsAtJoin.set(request, this.#callsOf(request));
    const joined = this.#joined.get(connection) ?? new Set();
    this.#joined.set(connection, joined);
    const key = addressKey(request);
    if (joined.has(key) && request.position) this.#counters.count('gap-repair');
    else if (request.position) this.#counters.count('resume');
    else this.#counters.count('full-join');
  }

  onAnswer(connection: SimConnection, request: JoinRequest, answer: JoinAnswer): void {
    if (this.#onTrace) this.#trace(connection, '<=', describe.joinAnswer(answer));
    if (!answer.ok) return this.#counters.count(`join-refused ${answer.code}`);
    this.#joined.get(connection)?.add(addressKey(request));
    if (this.#callsAtJoin.get(request) === this.#callsOf(request)) this.#counters.count('ring-answer');
    if (answer.appended.length > 0) this.#counters.count('appended-settles');
  }

  onServerFrame(connection: SimConnection, bytes: Uint8Array): void {
    if (this.#onTrace) this.#trace(connection, '<=', describe.serverFrame(bytes));
    if (bytes[0] === FrameKind.Chunk) this.#counters.count('chunk');
    if (bytes[0] !== FrameKind.State) return;
    const frame = decodeServerFrame(bytes);
    if (!frame.ok || frame.value.kind !== FrameKind.State) return;
    const { join, through } = frame.value.head;
    if (through !== undefined) this.#counters.count('entries-behind-state');
    if (join !== 0) return;
    this.#counters.count('state-by-gateway');
    if (connection.wasStuck) this.#counters.count('dropped-queue');
    connection.wasStuck = false;
  }

  onNack(connection: SimConnection, nack: Nack): void {
    if (this.#onTrace) this.#trace(connection, '<=', describe.nack(nack));
    this.#counters.count(`nack ${nack.code}`);
  }

  #trace({ client, server }: SimConnection, direction: string, text: string): void {
    this.#onTrace?.(`   ${client.name} ${direction} ${server?.process.name}  ${text}`);
  }

  #callsOf(request: JoinRequest): number {
    return this.#calls.get(callKey(request, request.senderId)) ?? 0;
  }
}

function callKey(address: DocumentAddress, senderId: string): string {
  return `${addressKey(address)} ${senderId}`;
}
