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

/** One that can be made to behave badly. */
export interface NastyClient extends ThinClient {
  /** Bytes that the network has not taken yet. */
  waitingBytes(): number;
  stopReading(): void;
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
export type NastyClientFactory = (options: ThinClientOptions) => Promise<NastyClient>;
export type Wire = 'y-kafka' | 'y-websocket' | 'hocuspocus';

const syncUpdate = (update: Uint8Array) => encodeSyncPayload(SyncMessageType.Update, update);

/** Socket.IO's default wire over one WebSocket, from the start. */
export const openYKafka: NastyClientFactory = async (options) => {
  const { room, index, onTrouble } = options;
  const socket = await RawWebSocket.open(
    `${options.url.replace(/^http/, 'ws')}/socket.io/?EIO=4&transport=websocket`,
  );
  const address = { roomId: room, docId: 'text' };
  const senderId = `bench${String(index).padStart(27, '0')}`;
  let generation = 1;
  let version = 0;
  await new Promise<void>((resolve, reject) => {
    let isFrame = false;
    const onText = (text: string) => {
      isFrame = text.startsWith('45') && text.includes('"protocol-message"');
      if (text === '2') socket.sendText('3');
      else if (text.startsWith('0')) socket.sendText('40{}');
      else if (text.startsWith('40'))
        socket.sendText(`420${JSON.stringify(['join', { ...address, senderId }])}`);
      else if (/^4[36]/.test(text)) {
        const [answer] = JSON.parse(text.slice(text.indexOf('['))) as [JoinAnswerText];
        generation = answer.position?.generation ?? 1;
        if (answer.ok) resolve();
        else reject(new Error(`join refused: ${answer.code}`));
      } else if (text.includes('"protocol-nack"')) onTrouble(`nack ${/"code":"(\w+)"/.exec(text)?.[1]}`);
      else if (/^4[14]/.test(text)) reject(new Error(`refused: ${text}`));
    };
    const onBinary = (bytes: Buffer) => {
      if (!isFrame) return; // belongs to the answer of a join
      if (bytes[0] !== FrameKind.Acks) return options.onMessage(bytes);
      const frame = decodeServerFrame(bytes);
      if (frame.ok && frame.value.kind === FrameKind.Acks) options.onAcked(frame.value.acks.length);
    };
    socket.listen({ onText, onBinary, onClose: () => onTrouble('closed') });
  });
  const header = '451-["protocol-message",{"_placeholder":true,"num":0}]';
  return {
    send(update) {
      version++;
      const metadata = createMetadata({ ...address, senderId, version, generation });
      const envelope = encodeKafkaEnvelope(metadata, syncUpdate(update));
      socket.sendTextThenBinary(header, encodeClientEntries([envelope]));
    },
    waitingBytes: () => socket.waitingBytes,
    stopReading: () => socket.stopReading(),
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
  // The server speaks first, once it has taken the connection into the room.
  await new Promise<void>((resolve) => socket.listen({ onBinary: () => resolve() }));
  socket.listen({ onBinary: onMessage, onClose: () => onTrouble('closed') });
  return { send: (update) => socket.sendBinary(syncUpdate(update)), close: () => socket.close() };
};

/** Each message begins with the document's name; one token message opens it. */
const openHocuspocus: ThinClientFactory = async ({ url, room, onMessage, onTrouble }) => {
  const socket = await RawWebSocket.open(url.replace(/^http/, 'ws'));
  const named = (write: (encoder: encoding.Encoder) => void) => {
    const encoder = encoding.createEncoder();
    encoding.writeVarString(encoder, room);
    write(encoder);
    return encoding.toUint8Array(encoder);
  };
  const auth = 2;
  const token = 0;
  const nameLength = Buffer.byteLength(room);
  socket.sendBinary(
    named((encoder) => {
      encoding.writeVarUint(encoder, auth);
      encoding.writeVarUint(encoder, token);
      encoding.writeVarString(encoder, 'bench');
    }),
  );
  await new Promise<void>((resolve) =>
    socket.listen({ onBinary: (bytes) => bytes[1 + nameLength] === auth && resolve() }),
  );
  socket.listen({ onBinary: onMessage, onClose: () => onTrouble('closed') });
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
