import { request, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http';

export interface Asked {
  /** 101 when the connection has become a WebSocket. */
  status: number | undefined;
  headers: IncomingHttpHeaders;
  text: string;
}

export interface AskOptions {
  method?: string;
  /** Any: what `fetch` does not let one say, `Host` among it. */
  headers?: OutgoingHttpHeaders;
  body?: string;
}

const UPGRADE = {
  connection: 'Upgrade',
  upgrade: 'websocket',
  'sec-websocket-version': '13',
  'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
};

/** A request to a server on loopback in the words given, as a browser sends one that has been told another name. */
export function askAs(
  url: string,
  path: string,
  { method = 'GET', headers = {}, body }: AskOptions = {},
): Promise<Asked> {
  return new Promise((resolve, reject) => {
    const asked = request(new URL(path, url), { method, headers, agent: false }, async (response) => {
      let text = '';
      for await (const chunk of response) text += String(chunk);
      resolve({ status: response.statusCode, headers: response.headers, text });
    });
    asked.on('upgrade', ({ statusCode, headers: answered }, socket) => {
      socket.destroy();
      resolve({ status: statusCode, headers: answered, text: '' });
    });
    asked.on('error', reject);
    asked.end(body);
  });
}

/** The bare request for a WebSocket, of Socket.IO. */
export function upgradeAs(url: string, headers: OutgoingHttpHeaders, query = ''): Promise<Asked> {
  const path = `/socket.io/?EIO=4&transport=websocket${query}`;
  return askAs(url, path, { headers: { ...UPGRADE, ...headers } });
}
