import { createServer, type Server } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { AppError } from '../../../lib/errors.ts';
import { createAccessDoor } from '../../../lib/http/access-door.ts';
import { listen } from '../../../lib/http/listen.ts';
import type { AccessChange } from '../../../lib/lifecycle/access-record.ts';
import { silentLogger as logger } from '../../../lib/log.ts';

const secret = 'a secret that is long enough for it';
const announced: AccessChange[] = [];
let isAway = false;
let server: Server;
let url = '';

beforeAll(async () => {
  const announce = async (change: AccessChange) => {
    if (isAway) throw new AppError('STREAM_UNAVAILABLE');
    announced.push(change);
  };
  const door = createAccessDoor({ secret, announce, logger });
  server = createServer((request, response) => {
    if (!door(request, response)) response.writeHead(404).end('other');
  });
  url = `http://127.0.0.1:${await listen(server, '127.0.0.1', 0)}`;
});
beforeEach(() => {
  announced.length = 0;
  isAway = false;
});
afterAll(() => void server.close());

async function tell(body: unknown, { authorization = `Internal-Secret ${secret}`, method = 'POST' } = {}) {
  const response = await fetch(`${url}/internal/access-changes`, {
    method,
    headers: authorization === '' ? {} : { authorization },
    ...(method === 'GET' ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  await response.text();
  return response.status;
}

describe('the door for changes of rights', () => {
  it('announces what has changed, and says so when all will hear of it', async () => {
    const changes = [{ userId: 'ann' }, { roomId: 'r', tenantId: 't', revoked: true }, { tenantId: 't' }];
    for (const change of changes) expect(await tell(change)).toBe(202);
    expect(announced).toEqual(changes);
    isAway = true;
    expect(await tell({ userId: 'ann' })).toBe(503);
  });

  it.each(['', 'Internal-Secret ', `Internal-Secret ${secret}x`, `Bearer ${secret}`])(
    'is closed to %j',
    async (authorization) => {
      expect(await tell({ userId: 'ann' }, { authorization })).toBe(401);
      expect(announced).toEqual([]);
    },
  );

  it.each([
    [{}, 422],
    [{ revoked: true }, 422],
    [{ userId: '' }, 422],
    [{ userId: 7 }, 422],
    [{ userId: 'x'.repeat(129) }, 422],
    [{ userId: 'ann', sessionId: 's' }, 422],
    [{ userId: 'ann', revoked: 'yes' }, 422],
    [[], 422],
    ['{', 400],
    [{ userId: 'x'.repeat(5_000) }, 413],
  ])('takes no such body (case %#)', async (body, status) => {
    expect(await tell(body)).toBe(status);
    expect(announced).toEqual([]);
  });

  it('takes nothing in another way, and leaves other addresses alone', async () => {
    expect(await tell(undefined, { method: 'GET' })).toBe(405);
    expect(await (await fetch(`${url}/internal/other`)).text()).toBe('other');
  });
});
