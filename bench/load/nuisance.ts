import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { openYKafka, type NastyClient } from './clients.ts';
import { readStamps, UpdateWriter } from './stamped-updates.ts';

/** A process that makes trouble for a gateway until it is told to stop. */
export type NuisanceKind = 'stalled' | 'flood' | 'heavy-room' | 'full-buffer';

export interface NuisanceSpec {
  kind: NuisanceKind;
  url: string;
  room: string;
}

export interface NuisanceReport {
  sent: number;
  sentBytes: number;
  troubles: Record<string, number>;
}

/** Numbers of senders that the load does not use. */
const FIRST_INDEX = 90_000;
const TICK_MS = 10;
/** So much a flooding client leaves in its own buffer: the rest of its pressure is in the network. */
const FLOOD_BYTES = 1024 * 1024;
/** A flooding client listens to its orders after so many bytes, also when the network takes all of them. */
const TURN_BYTES = 256 * 1024;

const report: NuisanceReport = { sent: 0, sentBytes: 0, troubles: {} };
let isOn = true;

interface Writer {
  client: NastyClient;
  next: () => Uint8Array;
  /** Sent and not acknowledged or seen to come back. */
  onTheWay: number;
  isClosed: boolean;
}

/** A writer that behaves has no more than this on their way. */
const WINDOW = 200;

async function open(spec: NuisanceSpec, number: number, paddingBytes: number): Promise<Writer> {
  const index = FIRST_INDEX + number;
  const stamps = new UpdateWriter(index, paddingBytes);
  const writer: Writer = { client: undefined!, next: () => stamps.next(), onTheWay: 0, isClosed: false };
  writer.client = await openYKafka({
    url: spec.url,
    room: spec.room,
    index,
    onMessage: (bytes) => readStamps(bytes, (sender) => sender === index && writer.onTheWay--),
    onAcked: (count) => (writer.onTheWay -= count),
    onTrouble(what) {
      report.troubles[what] = (report.troubles[what] ?? 0) + 1;
      if (what === 'closed') writer.isClosed = true;
    },
  });
  return writer;
}

function send(writer: Writer): void {
  const update = writer.next();
  writer.client.send(update);
  writer.onTheWay++;
  report.sent++;
  report.sentBytes += update.byteLength;
}

/** All together so many updates a second, by turns. */
async function pace(writers: readonly Writer[], perSecond: number): Promise<void> {
  const startedAt = performance.now();
  let turn = 0;
  while (isOn) {
    const due = ((performance.now() - startedAt) * perSecond) / 1000;
    for (; turn < due; turn++) {
      const writer = writers[turn % writers.length]!;
      if (writer.onTheWay < WINDOW) send(writer);
    }
    await sleep(TICK_MS);
  }
}

/** As fast as the network takes it, whatever the server says; one that is closed comes again at once. */
async function flood(reopen: () => Promise<Writer>): Promise<void> {
  let writer = await reopen();
  while (isOn) {
    if (writer.isClosed) writer = await reopen();
    const { sentBytes } = report;
    while (writer.client.waitingBytes() < FLOOD_BYTES && report.sentBytes < sentBytes + TURN_BYTES)
      send(writer);
    if (report.sentBytes === sentBytes) await sleep(1);
    else await nextTurn();
  }
}

/** Each time another sender: its updates begin anew. */
function reopening(spec: NuisanceSpec, paddingBytes: number): () => Promise<Writer> {
  let number = 0;
  return () => open(spec, number++, paddingBytes);
}

const KINDS: Record<NuisanceKind, (spec: NuisanceSpec) => Promise<() => Promise<void>>> = {
  /** One that does not read, in a room that gets 1 MB a second. */
  async stalled(spec) {
    const writer = await open(spec, 0, 2_000);
    const reader = await open(spec, 1, 0);
    reader.client.stopReading();
    return () => pace([writer], 500);
  },
  /** One that sends small updates as fast as it can and passes over every nack. */
  flood(spec) {
    return Promise.resolve(() => flood(reopening(spec, 56)));
  },
  /** 50 writers of 20 kB a second each, in one room. */
  async 'heavy-room'(spec) {
    const writers = await Promise.all(Array.from({ length: 50 }, (_, number) => open(spec, number, 1_900)));
    return () => pace(writers, 500);
  },
  /** One that sends updates of 200 kB as fast as it can, to a gateway whose producer may hold 1 MB. */
  'full-buffer'(spec) {
    return Promise.resolve(() => flood(reopening(spec, 200_000)));
  },
};

process.once('message', (spec: NuisanceSpec) => {
  KINDS[spec.kind](spec)
    .then((run) => {
      process.send?.('running');
      process.once('message', () => {
        isOn = false;
        process.send?.(report, () => process.exit(0));
      });
      return run();
    })
    .catch((error: unknown) => {
      console.error(error);
      process.exit(1);
    });
});
process.once('disconnect', () => process.exit(0));
