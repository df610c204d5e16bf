import type { Socket, ManagerOptions, SocketOptions } from 'socket.io-client';
import type { Doc } from 'yjs';

export interface ThinPosition {
  generation: number;
  epoch: number;
  partition: number;
  offset: number;
}

export interface ThinAddress {
  roomId: string;
  docId: string;
  subdocId?: string;
}

export interface ThinDocument {
  client: ThinClient;
  doc: Doc;
  position: ThinPosition | undefined;
  unacked: Map<number, Uint8Array>;
  acked: [version: number, position: ThinPosition][];
  nacks: { code: string; message: string; permanent: boolean; version?: number }[];
  states: { join: number; kind: 'full' | 'delta'; position: ThinPosition; appended: [number, number][] }[];
  join(options?: { full?: boolean }): void;
}

export declare class ThinClient {
  constructor(url: string, options?: Partial<ManagerOptions & SocketOptions>);
  readonly senderId: string;
  readonly socket: Socket;
  readonly closes: { code: string; permanent: boolean; cause?: string }[];
  open(address: ThinAddress): ThinDocument;
}
