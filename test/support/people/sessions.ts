import { expect } from '@jest/globals';
import type { BoardEditor } from '../board-editor.ts';
import { handshake } from '../forged-tokens.ts';
import type { SignedInPerson } from '../signed-in.ts';
import { waitFor } from '../wait.ts';
import { isEnforcedAtOnce } from './enforced.ts';
import type { PeopleStage } from './stage.ts';

/** What each gateway says to a token, over HTTP and at the handshake. */
const OPEN = [200, 'connected', 200, 'connected'];
const OVER = [401, 'UNAUTHENTICATED', 401, 'UNAUTHENTICATED'];
/** Also by a gateway that is about to take connections. */
const SAID_MS = 60_000;

/**
 * A session that its owner ends from another tab, and one that is signed out of: closed at every gateway at once, and
 * its access token, which would live on for minutes, opens nothing any more. Other sessions of the person go on.
 */
export async function endsSessions(stage: PeopleStage): Promise<void> {
  const ada = await stage.signIn('ada');
  const boardId = await stage.board(ada);
  const [phone, desk] = [await stage.signInAgain(ada), await stage.signInAgain(ada)];
  const open = (person: SignedInPerson) =>
    [0, 1].map((at) => stage.edit(person, boardId, { at: at as 0 | 1 }));
  const [kept, onPhone, onDesk] = [open(ada), open(phone), open(desk)];
  for (const tab of [...kept, ...onPhone, ...onDesk]) await tab.synced();
  const [phoneToken, deskToken] = [await phone.token(), await desk.token()];
  expect(await Promise.all([phoneToken, deskToken].map((token) => said(stage, token)))).toEqual([OPEN, OPEN]);

  const isClosed = (tabs: readonly BoardEditor[], change: () => Promise<{ status: number }>) =>
    isEnforcedAtOnce({
      change,
      isTold: () => tabs.every(({ notices }) => notices[0]?.code === 'UNAUTHENTICATED'),
      what: 'closed at both gateways',
      async beside() {
        expect((await ada.api('GET', '/api/boards')).status).toBe(200);
        kept[0]!.type(stage.word());
        await kept[0]!.saved();
      },
    });
  const phoneId = await phone.sessionId();
  await isClosed(onPhone, () => desk.api('DELETE', `/api/auth/sessions/${phoneId}`));
  await says(stage, phoneToken, OVER);
  expect(onDesk.flatMap(({ notices }) => notices)).toEqual([]);
  await isClosed(onDesk, async () => ({ status: await desk.signOut() }));
  await says(stage, deskToken, OVER);

  const [hers, other] = kept as [BoardEditor, BoardEditor];
  await waitFor(() => other.text === hers.text, {
    timeoutMs: SAID_MS,
    what: 'the session that is left goes on',
  });
  expect(kept.flatMap(({ notices }) => notices)).toEqual([]);
  expect(await said(stage, await ada.token())).toEqual(OPEN);
}

/** A session that has ended is over as well at gateways that were not there to hear of it. `restart`: of some or all. */
export async function remembersEnded(stage: PeopleStage, restart: () => Promise<void>): Promise<void> {
  const ada = await stage.signIn('ada');
  const phone = await stage.signInAgain(ada);
  const [ended, open] = [await phone.token(), await ada.token()];
  expect((await ada.api('DELETE', `/api/auth/sessions/${await phone.sessionId()}`)).status).toBe(204);
  await says(stage, ended, OVER);
  await restart();
  await says(stage, open, OPEN);
  expect(await said(stage, ended)).toEqual(OVER);
}

async function says(stage: PeopleStage, token: string, wanted: unknown[]): Promise<void> {
  let last: unknown[] = [];
  const isSo = async () => (last = await said(stage, token)).join() === wanted.join();
  try {
    await waitFor(isSo, { timeoutMs: SAID_MS, intervalMs: 50 });
  } catch {
    expect(last).toEqual(wanted);
  }
}

async function said({ parts: { urls } }: PeopleStage, token: string): Promise<unknown[]> {
  const headers = { authorization: `Bearer ${token}` };
  const answers = urls.map(async (url) => [
    (await fetch(`${url}/api/auth/me`, { headers })).status,
    await handshake(url, token),
  ]);
  return (await Promise.all(answers)).flat();
}
