import { createHash, type Hash } from 'node:crypto';
import { parseArgs } from 'node:util';
import * as decoding from 'lib0/decoding';
import { RawWebSocket } from '../../../bench/load/raw-websocket.ts';
import type { CrowdReport } from './crowd-report.ts';
import { decodeServerFrame, FrameKind, readCount, type Chunk } from '../../../lib/protocol/index.ts';

/*
 * A process of thin clients that join one document at once, and count and hash what comes, chunk by chunk, without
 * keeping it. Prints one line of JSON, CrowdReport, when all have their state.
 */

const RETRY_MS = 1_000;

interface Receiving {
  hash: Hash;
  offset: number;
  bytes: number;
}

const { values } = parseArgs({
  options: {
    url: { type: 'string' },
    room: { type: 'string' },
    clients: { type: 'string' },
    name: { type: 'string', default: '0' },
  },
});
const url = `${values.url!.replace(/^http/, 'ws')}/socket.io/?EIO=4&transport=websocket`;
const clients = Number(values.clients);
const report: CrowdReport = {
  clients,
  states: 0,
  bytes: 0,
  digests: {},
  refusals: {},
  firstMs: Infinity,
  lastMs: 0,
};

const sockets = await Promise.all(Array.from({ length: clients }, () => RawWebSocket.open(url)));
const startedMs = performance.now();
await Promise.all(sockets.map((socket, index) => receiveState(socket, index)));
for (const socket of sockets) socket.close();
console.log(JSON.stringify(report));

function receiveState(socket: RawWebSocket, index: number): Promise<void> {
  const senderId = `crowd${values.name.padStart(3, '0')}${String(index).padStart(24, '0')}`;
  const join = () =>
    socket.sendText(`421${JSON.stringify(['join', { roomId: values.room, docId: 'text', senderId }])}`);
  return new Promise((resolve, reject) => {
    let isFrame = false;
    let last = '';
    let receiving: Receiving | undefined;
    const onText = (text: string) => {
      isFrame = text.startsWith('451-["protocol-message"');
      if (!isFrame) last = text.slice(0, 200);
      if (text === '2') socket.sendText('3');
      else if (text.startsWith('0')) socket.sendText('40{}');
      else if (text.startsWith('40')) join();
      else if (text.startsWith('431[')) {
        const [{ code }] = JSON.parse(text.slice(3)) as [{ code: string }];
        report.refusals[code] = (report.refusals[code] ?? 0) + 1;
        setTimeout(join, RETRY_MS);
      } else if (text.includes('"protocol-close"')) reject(new Error(text));
    };
    const onBinary = (bytes: Buffer) => {
      if (!isFrame) return;
      report.bytes += bytes.byteLength;
      const frame = decodeServerFrame(bytes);
      if (!frame.ok || frame.value.kind !== FrameKind.Chunk) return;
      const { chunk } = frame.value;
      if (chunk.index === 0) receiving = begin(chunk);
      else receiving?.hash.update(chunk.bytes);
      if (chunk.index < chunk.count - 1 || !receiving) return;
      const name = `${receiving.offset} ${receiving.hash.digest('hex')}`;
      report.digests[name] = (report.digests[name] ?? 0) + 1;
      const tookMs = performance.now() - startedMs;
      report.firstMs = Math.min(report.firstMs, tookMs);
      report.lastMs = Math.max(report.lastMs, tookMs);
      resolve();
    };
    socket.listen({ onText, onBinary, onClose: () => reject(new Error(`A connection was lost: ${last}`)) });
  });
}

/** The head differs from client to client, what follows it does not. Undefined when it is no state. */
function begin({ bytes }: Chunk): Receiving | undefined {
  if (bytes[0] !== FrameKind.State) return undefined;
  const decoder = decoding.createDecoder(bytes.subarray(1));
  const headBytes = readCount(decoder)!;
  const from = 1 + decoder.pos;
  const head = JSON.parse(Buffer.from(bytes.subarray(from, from + headBytes)).toString()) as {
    join: number;
    position: { offset: number };
  };
  if (head.join !== 0) report.states++;
  const hash = createHash('sha256').update(bytes.subarray(from + headBytes));
  return { hash, offset: head.position.offset, bytes: 0 };
}
