import * as encoding from 'lib0/encoding';
import { encodeKafkaEnvelope, encodeSyncPayload } from '../../lib/protocol/envelope.ts';
import { decodeServerFrame, encodeClientEntries, FrameKind } from '../../lib/protocol/frames.ts';
import { createMetadata } from '../../lib/protocol/metadata.ts';
import { SyncMessageType } from '../../lib/protocol/message-types.ts';
import { RawWebSocket } from './raw-websocket.ts';

/** A client that holds no document: it writes updates and hands over what comes, as it comes. */
export interface ThinClient {
  send(update: Uint8Array): void;
  close(): void;
}

export interface ThinClientOptions {
  url: string;
  room: string;
  /** Unique among all load clients. */
  index: number;
  /** A message of the server that may carry updates. */
  onMessage: (bytes: Buffer) => void;
  /** Own updates that were acknowledged otherwise than by coming back. */
  onAcked: (count: number) => void;
  onTrouble: (what: string) => void;
}

export type ThinClientFactory = (options: ThinClientOptions) => Promise<ThinClient>;
export type Wire = 'y-kafka' | 'y-websocket' | 'hocuspocus';

const syncUpdate = (update: Uint8Array) => encodeSyncPayload(SyncMessageType.Update, update);

/** Socket.IO's default wire over one WebSocket, from the start. */
const openYKafka: ThinClientFactory = async (options) => {
  const { room, index, onTrouble } = options;
  const url = `${options.url.replace(/^http/, 'ws')}/socket.io/?EIO=4&transport=websocket`;
  const socket = await RawWebSocket.open(url);
  socket.onClose = () => onTrouble('closed');
  const address = { roomId: room, docId: 'text' };
  const senderId = `bench${String(index).padStart(27, '0')}`;
  let generation = 1;
  let version = 0;
  await new Promise<void>((resolve, reject) => {
    let attachments = 0;
    let isFrame = false;
    socket.onText = (text) => {
      if (text === '2') socket.sendText('3');
      else if (text.startsWith('0')) socket.sendText('40{}');
      else if (text.startsWith('40'))
        socket.sendText(`420${JSON.stringify(['join', { ...address, senderId }])}`);
      else if (text.startsWith('43') || text.startsWith('46')) {
        attachments = text.startsWith('46') ? Number.parseInt(text.slice(2), 10) : 0;
        isFrame = false;
        const [answer] = JSON.parse(text.slice(text.indexOf('['))) as [JoinAnswerText];
        if (!answer.ok) return reject(new Error(`join refused: ${answer.code}`));
        generation = answer.position?.generation ?? 1;
        resolve();
      } else if (text.startsWith('45')) {
        attachments = Number.parseInt(text.slice(2), 10);
        isFrame = text.includes('"protocol-message"');
      } else if (text.includes('"protocol-nack"')) onTrouble(`nack ${/"code":"(\w+)"/.exec(text)?.[1]}`);
      else if (text.startsWith('44') || text.startsWith('41')) reject(new Error(`refused: ${text}`));
    };
    socket.onBinary = (bytes) => {
      attachments--;
      if (!isFrame) return;
      if (attachments <= 0) isFrame = false;
      if (bytes[0] !== FrameKind.Acks) return options.onMessage(bytes);
      const frame = decodeServerFrame(bytes);
      if (frame.ok && frame.value.kind === FrameKind.Acks) options.onAcked(frame.value.acks.length);
    };
  });
  const header = '451-["protocol-message",{"_placeholder":true,"num":0}]';
  return {
    send(update) {
      version++;
      const metadata = createMetadata({ ...address, senderId, version, generation });
      const envelope = encodeKafkaEnvelope(metadata, syncUpdate(update));
      socket.sendTextThenBinary(header, encodeClientEntries([envelope]));
    },
    close: () => socket.close(),
  };
};

interface JoinAnswerText {
  ok: boolean;
  code?: string;
  position?: { generation: number };
}

const openYWebsocket: ThinClientFactory = async ({ url, room, onMessage, onTrouble }) => {
  const socket = await RawWebSocket.open(`${url.replace(/^http/, 'ws')}/${room}`);
  socket.onClose = () => onTrouble('closed');
  socket.onBinary = onMessage;
  return { send: (update) => socket.sendBinary(syncUpdate(update)), close: () => socket.close() };
};

/** Each message begins with the document's name; one token message opens it. */
const openHocuspocus: ThinClientFactory = async ({ url, room, onMessage, onTrouble }) => {
  const socket = await RawWebSocket.open(url.replace(/^http/, 'ws'));
  socket.onClose = () => onTrouble('closed');
  const named = (write: (encoder: encoding.Encoder) => void) => {
    const encoder = encoding.createEncoder();
    encoding.writeVarString(encoder, room);
    write(encoder);
    return encoding.toUint8Array(encoder);
  };
  const auth = 2;
  const token = 0;
  const nameLength = Buffer.byteLength(room);
  await new Promise<void>((resolve) => {
    socket.onBinary = (bytes) => {
      if (bytes[1 + nameLength] === auth) resolve();
    };
    socket.sendBinary(
      named((encoder) => {
        encoding.writeVarUint(encoder, auth);
        encoding.writeVarUint(encoder, token);
        encoding.writeVarString(encoder, 'bench');
      }),
    );
  });
  socket.onBinary = onMessage;
  return {
    send: (update) =>
      socket.sendBinary(named((encoder) => encoding.writeUint8Array(encoder, syncUpdate(update)))),
    close: () => socket.close(),
  };
};

export const THIN_CLIENTS: Readonly<Record<Wire, ThinClientFactory>> = {
  'y-kafka': openYKafka,
  'y-websocket': openYWebsocket,
  hocuspocus: openHocuspocus,
};
