import { setTimeout as sleep } from 'node:timers/promises';
import { THIN_CLIENTS, type ThinClient } from './clients.ts';
import { Histogram } from './histogram.ts';
import type { LoadReport, LoadResult, LoadSpec } from './messages.ts';
import { nowUs, readStamps, UpdateWriter } from './stamped-updates.ts';

/** A load process: opens its share of the clients, sends, counts what arrives, reports to its parent. */
const CONNECT_AT_ONCE = 25;
const PACE_TICK_MS = 2;
const QUIET_MS = 1500;
const DRAIN_LIMIT_MS = 20_000;
/** Bounds a run in count as well as in time. */
const MAX_UPDATES = 5_000_000;

interface Sender {
  index: number;
  client: ThinClient;
  writer: UpdateWriter;
  /** Sent and not yet acknowledged or seen to come back. */
  onTheWay: number;
}

class Load {
  readonly #spec: LoadSpec;
  readonly #senders: Sender[] = [];
  readonly #troubles: Record<string, number> = {};
  readonly #latency = new Histogram();
  #isMeasuring = false;
  #isSending = false;
  #sent = 0;
  #received = 0;
  #measuredSent = 0;
  #measuredReceived = 0;
  #lastArrivalMs = 0;

  constructor(spec: LoadSpec) {
    this.#spec = spec;
  }

  async connect(): Promise<void> {
    const { rooms, clientsPerRoom, process: own, processes } = this.#spec;
    const indexes = Array.from({ length: rooms * clientsPerRoom }, (_, index) => index);
    const mine = indexes.filter((index) => index % processes === own);
    for (let at = 0; at < mine.length; at += CONNECT_AT_ONCE)
      await Promise.all(mine.slice(at, at + CONNECT_AT_ONCE).map((index) => this.#open(index)));
  }

  async run(report: (message: LoadReport) => void): Promise<LoadResult> {
    const { warmUpMs, measureMs, pace } = this.#spec;
    this.#isSending = true;
    const pacing = pace.kind === 'paced' ? this.#pace(pace.updatesPerSecond) : this.#fillAll();
    await sleep(warmUpMs);
    report({ event: 'measuring' });
    const cpu = process.cpuUsage();
    const started = performance.now();
    this.#isMeasuring = true;
    await sleep(measureMs);
    this.#isMeasuring = false;
    const measuredMs = performance.now() - started;
    const { user, system } = process.cpuUsage(cpu);
    report({ event: 'measured' });
    this.#isSending = false;
    await pacing;
    await this.#drain();
    for (const { client } of this.#senders) client.close();
    return {
      sent: this.#measuredSent,
      deliveries: this.#measuredReceived,
      measuredMs,
      missing: this.#sent * this.#othersInRoom() - this.#received,
      latency: this.#latency.counts,
      cpuSeconds: (user + system) / 1e6,
      troubles: this.#troubles,
    };
  }

  /** With several processes others' updates arrive here and own ones there; the harness adds all up. */
  #othersInRoom(): number {
    return this.#spec.clientsPerRoom - 1;
  }

  async #open(index: number): Promise<void> {
    const { wire, url, roomPrefix, rooms } = this.#spec;
    const sender: Sender = { index, client: undefined!, writer: new UpdateWriter(index), onTheWay: 0 };
    sender.client = await THIN_CLIENTS[wire]({
      url,
      index,
      room: `${roomPrefix}-${index % rooms}`,
      onMessage: (bytes) => this.#arrived(sender, bytes),
      onAcked: (count) => this.#settle(sender, count),
      onTrouble: (what) => (this.#troubles[what] = (this.#troubles[what] ?? 0) + 1),
    });
    this.#senders.push(sender);
  }

  #arrived(receiver: Sender, bytes: Buffer): void {
    const now = nowUs();
    let own = 0;
    readStamps(bytes, (sender, sentUs) => {
      if (sender === receiver.index) {
        own++;
        return;
      }
      this.#received++;
      if (!this.#isMeasuring) return;
      this.#measuredReceived++;
      this.#latency.add(now - sentUs);
    });
    this.#lastArrivalMs = performance.now();
    if (own > 0) this.#settle(receiver, own);
  }

  #settle(sender: Sender, count: number): void {
    sender.onTheWay -= count;
    if (this.#spec.pace.kind === 'full') this.#fill(sender, this.#spec.pace.window);
  }

  #send(sender: Sender): void {
    sender.client.send(sender.writer.next());
    sender.onTheWay++;
    this.#sent++;
    if (this.#isMeasuring) this.#measuredSent++;
    if (this.#sent >= MAX_UPDATES) this.#isSending = false;
  }

  #fill(sender: Sender, window: number): void {
    while (this.#isSending && sender.onTheWay < window) this.#send(sender);
  }

  async #fillAll(): Promise<void> {
    const { pace } = this.#spec;
    if (pace.kind === 'full') for (const sender of this.#senders) this.#fill(sender, pace.window);
  }

  /** This process's share of the rate, by turns, so that each update has its own moment. */
  async #pace(updatesPerSecond: number): Promise<void> {
    const { process: own, processes } = this.#spec;
    const perMs = updatesPerSecond / processes / 1000;
    const started = performance.now() + (own * PACE_TICK_MS) / processes;
    let turn = 0;
    while (this.#isSending) {
      const due = (performance.now() - started) * perMs;
      for (; turn < due && this.#isSending; turn++)
        this.#send(this.#senders[(turn * 7919) % this.#senders.length]!);
      await sleep(PACE_TICK_MS);
    }
  }

  async #drain(): Promise<void> {
    const limit = performance.now() + DRAIN_LIMIT_MS;
    this.#lastArrivalMs = performance.now();
    while (performance.now() - this.#lastArrivalMs < QUIET_MS && performance.now() < limit) await sleep(50);
  }
}

const tell = (message: LoadReport) => void process.send?.(message);

process.once('message', (spec: LoadSpec) => {
  const load = new Load(spec);
  load
    .connect()
    .then(() => {
      tell({ event: 'connected' });
      process.once('message', () => {
        load.run(tell).then(
          (result) => tell({ event: 'done', ...result }),
          (error: unknown) => tell({ event: 'failed', message: String(error) }),
        );
      });
    })
    .catch((error: unknown) => tell({ event: 'failed', message: String(error) }));
});
process.once('disconnect', () => process.exit(0));
