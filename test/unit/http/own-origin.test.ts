import { createServer, type OutgoingHttpHeaders } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { systemClock as clock } from '../../../lib/clock.ts';
import { loadConfig, type Config } from '../../../lib/config.ts';
import { openSocketServer, type SocketServer } from '../../../lib/gateway/socket-io.ts';
import { createFrontDoor } from '../../../lib/http/front-door.ts';
import { listen } from '../../../lib/http/listen.ts';
import { silentLogger as logger } from '../../../lib/log.ts';
import { askAs, upgradeAs, type Asked } from '../../support/asked-as.ts';

const POLLING = '/socket.io/?EIO=4&transport=polling';
const PUBLIC_URL = 'https://boards.example.com';
const EVIL = 'http://evil.test:3000';

const open: SocketServer[] = [];
afterAll(() => Promise.all(open.map((server) => server.close())));

/** The two doors of a gateway, HTTP and Socket.IO, with nothing behind them. */
async function startDoors(overrides: Partial<Config>): Promise<string> {
  const config = loadConfig({}, overrides);
  const answer = createFrontDoor({ config, logger }, (_request, response) => void response.end('in'));
  const httpServer = createServer(answer);
  open.push(openSocketServer({ config, clock, logger, httpServer, gateway: () => undefined }));
  return `http://127.0.0.1:${await listen(httpServer, '127.0.0.1', 0)}`;
}

/** All ways in: reading, writing, polling, a bare WebSocket. */
async function tryAll(url: string, headers: OutgoingHttpHeaders): Promise<Asked[]> {
  return Promise.all([
    askAs(url, '/', { headers }),
    askAs(url, '/', { method: 'POST', headers, body: '{}' }),
    askAs(url, POLLING, { headers }),
    upgradeAs(url, headers),
  ]);
}

const statusesOf = (answers: readonly Asked[]) => answers.map(({ status }) => status);
const IN = [200, 200, 200, 101];
const OUT = [403, 403, 403, 403];

describe('a server on loopback, as it is without configuration', () => {
  let url: string;
  let port: string;
  beforeAll(async () => {
    url = await startDoors({});
    ({ port } = new URL(url));
  });

  it.each(['localhost', 'LocalHost', '127.0.0.1', '127.8.0.1', '[::1]', 'boards.localhost'])(
    'is reached as %s, by its pages and by programs',
    async (name) => {
      const host = `${name}:${port}`;
      expect(statusesOf(await tryAll(url, { host }))).toEqual(IN);
      const { origin } = new URL(`http://${host}`);
      expect(statusesOf(await tryAll(url, { host: new URL(origin).host, origin }))).toEqual(IN);
    },
  );

  // A name that points to loopback makes a foreign page one of the same origin.
  it.each([
    'evil.test',
    'localhost.evil.test',
    '127.0.0.1.evil.test',
    'evillocalhost',
    '10.0.0.1',
    '0.0.0.0',
  ])('is not reached as %s, whether or not a page says where it is from', async (name) => {
    const host = `${name}:${port}`;
    for (const headers of [{ host, origin: `http://${host}` }, { host }]) {
      const answers = await tryAll(url, headers);
      expect(statusesOf(answers)).toEqual(OUT);
      for (const answer of answers) {
        expect(answer.headers['content-type']).toBe('application/problem+json');
        expect(JSON.parse(answer.text)).toMatchObject({
          code: 'FORBIDDEN',
          detail: expect.stringContaining('PUBLIC_URL') as unknown,
        });
      }
    }
  });

  it.each(['a b', 'user@evil.test', 'evil.test/localhost', 'localhost:x'])(
    'is not reached by what is no name: %j',
    async (host) => {
      const [get, post] = await tryAll(url, { host });
      expect([get!.status, post!.status]).toEqual([403, 403]);
    },
  );

  it.each([EVIL, 'null', 'https://localhost.evil.test'])('takes no page of %s', async (origin) => {
    const answers = await tryAll(url, { origin });
    expect(statusesOf(answers)).toEqual(OUT);
    for (const { text } of answers) expect(text).toContain('Pages of this origin may not ask here');
  });
});

describe('a server on loopback that takes pages of another origin as well', () => {
  it('takes them, under its own names', async () => {
    const origin = 'https://app.example.com';
    const url = await startDoors({ corsOrigins: [origin] });
    expect(statusesOf(await tryAll(url, { origin }))).toEqual(IN);
    expect(statusesOf(await tryAll(url, { origin, host: 'evil.test' }))).toEqual(OUT);
    expect(statusesOf(await tryAll(url, { origin: `${origin}.evil.test` }))).toEqual(OUT);
  });
});

describe('a server behind a proxy, with PUBLIC_URL', () => {
  let url: string;
  beforeAll(async () => {
    url = await startDoors({ publicUrl: PUBLIC_URL });
  });

  it.each(['127.0.0.1:3000', 'upstream', 'boards.example.com'])(
    'knows its own page when the proxy asks for %s',
    async (host) => {
      expect(statusesOf(await tryAll(url, { host, origin: PUBLIC_URL }))).toEqual(IN);
    },
  );

  it('takes no other page, whatever the name it asks for', async () => {
    for (const origin of [EVIL, url, 'http://boards.example.com', `${PUBLIC_URL}.evil.test`])
      expect(statusesOf(await tryAll(url, { host: new URL(origin).host, origin }))).toEqual(OUT);
  });

  it('takes nothing of a foreign page on a connection that was begun without saying where from', async () => {
    const host = new URL(EVIL).host;
    const begun = await askAs(url, POLLING, { headers: { host } });
    const { sid } = JSON.parse(begun.text.slice(1)) as { sid: string };
    const query = `&sid=${sid}`;
    const foreign = { host, origin: EVIL };
    const post = (headers: OutgoingHttpHeaders) =>
      askAs(url, POLLING + query, { method: 'POST', headers, body: '40' });
    expect((await post(foreign)).status).toBe(403);
    expect((await upgradeAs(url, foreign, query)).status).toBe(403);
    expect((await post({ host, origin: PUBLIC_URL })).status).toBe(200);
  });
});

describe('a server that is reached from elsewhere, without PUBLIC_URL', () => {
  it('takes the pages that were fetched from it under any name, and no others', async () => {
    const url = await startDoors({ host: '0.0.0.0', openToAll: 'yes' });
    const host = 'boards.intern:8080';
    for (const origin of [`http://${host}`, `https://${host}`, undefined]) {
      const headers = origin === undefined ? { host } : { host, origin };
      expect(statusesOf(await tryAll(url, headers))).toEqual(IN);
    }
    for (const origin of [EVIL, 'http://boards.intern'])
      expect(statusesOf(await tryAll(url, { host, origin }))).toEqual(OUT);
  });
});
