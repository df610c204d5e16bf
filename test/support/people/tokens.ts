import { randomBytes } from 'node:crypto';
import { expect } from '@jest/globals';
import { io } from 'socket.io-client';
import { Stopwatch } from '../stopwatch.ts';
import { waitFor } from '../wait.ts';
import { keepTyping, type PeopleStage } from './stage.ts';

const EXPIRES_WITHIN_MS = 60_000;
/** Of the quarter of its life in which a token is renewed: a machine that takes longer may be too late with it. */
const IN_TIME_MS = 1_000;

/**
 * Without a token: no connection. With one that ends while it is open: renewed by the provider over the open
 * connection, or closed until it is renewed; nothing is lost in either case. The server's tokens live for seconds.
 */
export async function renewsTokens(stage: PeopleStage): Promise<void> {
  const [ada, bob, cleo] = [await stage.signIn('ada'), await stage.signIn('bob'), await stage.signIn('cleo')];
  const boardId = await stage.board(ada, bob, cleo);
  const [first, second] = stage.parts.urls;
  expect(await askBeforeAnswer(first, boardId)).toEqual([]);
  const nobody = stage.edit(ada, boardId, { getToken: () => undefined });
  await waitFor(() => nobody.errors.some(({ permanent }) => permanent), { what: 'no connection' });
  expect(nobody.errors.at(-1)).toMatchObject({ code: 'UNAUTHENTICATED', permanent: true });

  const given: string[] = [];
  let slowestMs = 0;
  const ran = new Stopwatch();
  const beganAtMs = performance.now();
  const renewing = stage.edit(ada, boardId, {
    async getToken() {
      const askedAtMs = performance.now();
      const token = await ada.newToken();
      slowestMs = Math.max(slowestMs, performance.now() - askedAtMs);
      given.push(token);
      return token;
    },
  });
  // Nobody answers when she asks for a new one, and comes back by herself when somebody does.
  let isAway = false;
  const waiting = stage.edit(bob, boardId, {
    at: 1,
    getToken: () => (isAway ? Promise.reject(new Error('away')) : bob.newToken()),
  });
  // Is told that there is none, and comes back when she has signed in.
  let isSignedOut = false;
  const out = stage.edit(cleo, boardId, { getToken: () => (isSignedOut ? undefined : cleo.newToken()) });
  const editors = [renewing, waiting, out];
  for (const editor of editors) await editor.synced();
  // Where the machine is late with a token, they are told so before.
  const earlier = [waiting, out].map(({ notices }) => notices.length);
  if (earlier[0] === 0) expect(renewing.told).not.toContain(`-${bob.userId}`);
  const toldSince = () => [waiting, out].map(({ notices }, at) => notices.slice(earlier[at]));
  isAway = isSignedOut = true;

  const typing = keepTyping(editors, { word: () => stage.word(), everyMs: 25 });
  try {
    await waitFor(async () => (await answerTo(second, given[0]!)) === 'UNAUTHENTICATED', {
      timeoutMs: EXPIRES_WITHIN_MS,
      intervalMs: 100,
      what: 'the first token is over',
    });
    await waitFor(() => out.errors.some(({ permanent }) => permanent), {
      timeoutMs: EXPIRES_WITHIN_MS,
      what: 'she is out',
    });
    await waitFor(() => waiting.errors.some(({ code }) => code === 'TOKEN_FAILED'), {
      timeoutMs: EXPIRES_WITHIN_MS,
      what: 'no token for him',
    });
    // Each gateway closes those of its own.
    await waitFor(() => toldSince().every(({ length }) => length > 0), { what: 'both are told' });
    for (const notices of toldSince())
      expect(notices).toEqual([expect.objectContaining({ code: 'UNAUTHENTICATED', permanent: true })]);
    expect(out.errors.at(-1)).toMatchObject({ code: 'UNAUTHENTICATED', permanent: true });
    // What is typed from here on cannot have been sent.
    const counts = editors.map((editor) => typing.typed.get(editor)!.length);
    await waitFor(() => editors.every((editor, at) => typing.typed.get(editor)!.length > counts[at]! + 5));
  } finally {
    typing.stop();
  }
  expect([waiting, out].map(({ manager }) => manager.hasUnackedChanges)).toEqual([true, true]);
  isAway = isSignedOut = false;
  out.manager.connect();
  for (const editor of editors) await editor.synced();
  for (const editor of editors) await editor.saved();
  expect(given.length).toBeGreaterThanOrEqual(2);
  const lostMs = performance.now() - beganAtMs - ran.stop();
  if (slowestMs + lostMs < IN_TIME_MS)
    expect([renewing.statuses, renewing.errors]).toEqual([['connecting', 'connected'], []]);

  const reader = await stage.edit(ada, boardId, { at: 1 }).synced();
  await waitFor(() => editors.every(({ text }) => text === reader.text), { what: 'all have the same text' });
  const typed = [...typing.typed.values()].flat();
  expect(reader.text.length).toBe(typed.join('').length);
  for (const word of typed) expect(reader.text).toContain(word);
  expect(editors.flatMap(({ denied, refused, replaced }) => [...denied, ...refused, ...replaced])).toEqual(
    [],
  );
}

/** Events and answers to one who asks to join without a token, and does not wait whether she may. */
async function askBeforeAnswer(url: string, roomId: string): Promise<string[]> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`);
  const said: string[] = [];
  const closed = new Promise<void>((resolve) => socket.addEventListener('close', () => resolve()));
  const join = { roomId, docId: 'doc', senderId: randomBytes(16).toString('hex') };
  socket.addEventListener('message', ({ data }) => {
    const text = String(data);
    // Engine.IO's greeting; what comes behind the connect packet (40) is an event with an acknowledgement (42).
    if (text.startsWith('0'))
      ['40', `420${JSON.stringify(['join', join])}`].forEach((packet) => socket.send(packet));
    else if (/^4[236]/.test(text)) said.push(text);
  });
  await closed;
  return said;
}

/** The code of the refusal, or `connected`. */
function answerTo(url: string, token: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = io(url, {
      transports: ['websocket'],
      reconnection: false,
      forceNew: true,
      auth: { token },
    });
    const end = (outcome: string | undefined) => {
      socket.disconnect();
      resolve(outcome);
    };
    socket.on('connect', () => end('connected'));
    socket.on('connect_error', (error) => end((error as { data?: { code?: string } }).data?.code));
  });
}
