import { createServer } from 'node:http';
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { listen } from '../../../lib/http/listen.ts';
import { createPermissionDoor } from '../../../lib/http/permission-door.ts';
import { silentLogger } from '../../../lib/log.ts';

const SECRET = 'a secret of more than thirty-two characters';
const [BOARD, EDITOR, STRANGER, UNLUCKY] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()];

describe('the door for other systems of the operator', () => {
  const door = createPermissionDoor({
    secret: SECRET,
    roleOn: async (boardId, userId) => {
      if (userId === UNLUCKY) throw new Error('the database is away: internal text');
      return boardId === BOARD && userId === EDITOR ? 'editor' : undefined;
    },
    logger: silentLogger,
  });
  const server = createServer((request, response) => {
    if (!door(request, response)) response.writeHead(418).end();
  });
  let url: string;

  beforeAll(async () => {
    url = `http://127.0.0.1:${await listen(server, '127.0.0.1', 0)}`;
  });
  afterAll(() => void server.close());

  async function ask(
    userId: string,
    { boardId = BOARD as string, authorization = `Internal-Secret ${SECRET}`, method = 'GET' } = {},
  ) {
    const response = await fetch(`${url}/internal/boards/${boardId}/permission?userId=${userId}`, {
      method,
      headers: { authorization },
    });
    return [response.status, await response.text()] as const;
  }

  it('tells the role of a member, and null for everybody else', async () => {
    expect(await ask(EDITOR)).toEqual([200, '{"role":"editor"}']);
    expect(await ask(STRANGER)).toEqual([200, '{"role":null}']);
    expect(await ask(EDITOR, { boardId: randomUUID() })).toEqual([200, '{"role":null}']);
  });

  it.each(['', 'Internal-Secret ', `Internal-Secret ${SECRET}x`, `Bearer ${SECRET}`, SECRET])(
    'tells nothing to who says %j',
    async (authorization) => {
      expect(await ask(EDITOR, { authorization })).toEqual([401, '{"code":"UNAUTHENTICATED"}']);
    },
  );

  it('refuses what is no id and what is no question', async () => {
    expect((await ask('1 or 1=1'))[0]).toBe(422);
    expect((await ask(EDITOR, { boardId: 'x' }))[0]).toBe(422);
    expect((await ask(EDITOR, { method: 'DELETE' }))[0]).toBe(405);
  });

  it('keeps internal text to itself', async () => {
    expect(await ask(UNLUCKY)).toEqual([503, '{"code":"STORE_UNAVAILABLE"}']);
  });

  it('leaves every other path to others', async () => {
    expect((await fetch(`${url}/internal/boards/${BOARD}`)).status).toBe(418);
  });
});
