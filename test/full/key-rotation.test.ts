import { afterAll, expect, it, jest } from '@jest/globals';
import { decodeProtectedHeader } from 'jose';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BoardEditor } from '../support/board-editor.ts';
import { startEmbedded, stopServers } from '../support/embedded.ts';
import { LocalPerson } from '../support/local-person.ts';
import { waitFor } from '../support/wait.ts';

jest.setTimeout(900_000);

/** A quarter of it is there to renew one, on a busy machine as well. */
const TOKEN_SECONDS = 12;
/** Until the first key retires: some times what a start and a sign-in have just taken, and a while to look. */
const retiresAfter = (startMs: number) => 12_000 + 4 * startMs;

let dataDir = '';
afterAll(async () => {
  await stopServers();
  await rm(dataDir, { recursive: true, force: true });
});

it('the key of the tokens changes under an open connection, which notices nothing', async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'ykafka-keys-'));
  const config = {
    auth: 'accounts',
    dataDir,
    accessTokenSeconds: TOKEN_SECONDS,
    guessesPerMinute: 0,
  } as const;
  const begunAt = performance.now();
  const before = await startEmbedded(config);
  await (await LocalPerson.signIn('Ada', before.url)).session();
  const { client } = await before.runtime.database();
  const retiresMs = retiresAfter(performance.now() - begunAt);
  await client.query('update signing_keys set retires_at = $1', [new Date(Date.now() + retiresMs)]);
  await before.stop();

  const server = await startEmbedded(config);
  const ada = await LocalPerson.signIn('Ada', server.url);
  const board = await ada.makeBoard('Plan');
  const kids = new Set<string>();
  const getToken = async () => {
    const { accessToken } = await ada.session();
    kids.add(decodeProtectedHeader(accessToken).kid!);
    return accessToken;
  };
  const editor = await new BoardEditor(board.id, { url: server.url, getToken }).synced();
  try {
    let typed = 0;
    await waitFor(
      async () => {
        editor.type(`${typed++} `);
        await editor.saved();
        return kids.size === 2;
      },
      { timeoutMs: 120_000 + retiresMs, intervalMs: 200, what: 'a token by the new key' },
    );
    // A whole life of it, and more: the connection is kept by the new key alone.
    const until = performance.now() + 1.25 * TOKEN_SECONDS * 1_000;
    await waitFor(() => performance.now() > until, {
      timeoutMs: 60_000,
      what: 'the last token of the old key ends',
    });
    editor.type('end');
    await editor.saved();
    expect(editor.statuses.filter((status) => status !== 'connected')).toEqual(
      editor.statuses.slice(0, editor.statuses.indexOf('connected')),
    );
    expect([editor.notices, editor.errors, editor.denied]).toEqual([[], [], []]);
    expect(editor.text.endsWith('end')).toBe(true);
    const { keys } = (await (await fetch(`${server.url}/api/auth/jwks`)).json()) as {
      keys: { kid: string }[];
    };
    expect(keys.map(({ kid }) => kid)).toEqual(expect.arrayContaining([...kids]));
  } finally {
    editor.close();
  }
});
