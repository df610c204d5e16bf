import type { ProviderEnvironment } from './environment.ts';
import type { SocketTransportOptions } from './socket-transport.ts';
import type { TransportFactory } from './transport.ts';

export type UrlSource = string | readonly string[] | (() => Urls | Promise<Urls>);
type Urls = string | readonly string[];

export interface ConnectionOptions extends SocketTransportOptions {
  /**
   * Where the gateways are. Of several the next one is tried after each failure. A function is asked before each
   * attempt, so that gateways may come and go; a rejection counts as a failed attempt.
   */
  url: UrlSource;
  /** Access token of the handshake. Default none. */
  token?: string;
  /**
   * Asked for the token before each connection attempt, and when the server asks for a new one on the open
   * connection because the old one ends soon; wins over `token`.
   * A rejection counts as a failed attempt.
   */
  getToken?: () => string | undefined | Promise<string | undefined>;
  /** Connect as soon as the object is made. Default true; otherwise call `connect()`. */
  autoConnect?: boolean;
  /**
   * Milliseconds before the first attempt to connect again, doubled each time; half of it is random, so that the
   * clients of a gateway that died do not come at once. Default 250. A delay that the server asks for comes first.
   */
  reconnectMinMs?: number;
  /** Upper bound of that delay in milliseconds. Default 10,000. */
  reconnectMaxMs?: number;
  /** Largest frame sent in one piece, in bytes; must not exceed the server's limit. Default 262,144. */
  maxFrameBytes?: number;
  /** Largest message put together from chunks, in bytes; bounds the memory of one state. Default 268,435,456. */
  maxMessageBytes?: number;
  /** What carries the frames. Default Socket.IO. */
  transport?: TransportFactory;
  /** Clock, timers and randomness. Default the system's. */
  environment?: ProviderEnvironment;
}

/** disconnected: another attempt follows by itself. closed: none does, until `connect()` is called. */
export type ConnectionStatus = 'connecting' | 'connected' | 'disconnected' | 'closed';
