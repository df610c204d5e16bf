import { showBoard } from './board-page.ts';
import { element } from './elements.ts';
import { boardLink, showHome } from './home-page.ts';
import { make } from './make.ts';
import { previewInvite, Problem, Session, type Entrance } from './session.ts';
import { showGate, view } from './shell.ts';

/** An invite waits here while its visitor is away to sign in. */
const INVITE_KEY = 'y-kafka.invite';
const ROLE_WORDS: Readonly<Record<string, string>> = { viewer: 'read', editor: 'edit', owner: 'own' };

/** The page where people sign in: their boards, invites to boards, and one board. */
export async function showAccountsPage({ rows: providers }: Entrance): Promise<void> {
  takeInvite();
  const failed = takeParam('signInError');
  const session = await Session.resume();
  if (failed && !session) view.showNotice('The sign-in did not succeed. Try it again.');
  if (session) showAccount(session);
  const invite = sessionStorage.getItem(INVITE_KEY);
  if (invite) return showInvite(invite, session, providers);
  if (!session) return showSignIn(providers, 'Boards are shared with people. Say who you are.');
  const boardId = new URL(location.href).searchParams.get('board');
  return boardId === null ? showHome(session) : showBoard(session, boardId);
}

function showSignIn(providers: Entrance['rows'], text: string, ...more: HTMLButtonElement[]): void {
  const returnTo = `${location.pathname}${location.search}`;
  const links = providers.map(({ name, label }) => {
    const href = `/api/auth/${encodeURIComponent(name)}?${new URLSearchParams({ returnTo })}`;
    return make('a', { href, className: 'button' }, `Sign in with ${label}`);
  });
  const none = 'This server has no sign-in provider: see AUTH_PROVIDERS in its README.';
  showGate('Sign in', links.length > 0 ? text : none, ...links, ...more);
}

async function showInvite(
  token: string,
  session: Session | undefined,
  providers: Entrance['rows'],
): Promise<void> {
  const decline = make('button', { className: 'button quiet', type: 'button' }, 'No, thank you');
  const leave = (url: string) => {
    sessionStorage.removeItem(INVITE_KEY);
    location.assign(url);
  };
  decline.addEventListener('click', () => leave('/'));
  try {
    const { boardName, invitedBy, role } = await previewInvite(token);
    const text = `${invitedBy} invites you to ${ROLE_WORDS[role] ?? role} the board “${boardName}”.`;
    if (!session) return showSignIn(providers, `${text} Say who you are.`, decline);
    const accept = make('button', { className: 'button', type: 'button' }, 'Open the board');
    accept.addEventListener('click', () => {
      session.ask<{ boardId: string }>('POST', `/api/invites/${encodeURIComponent(token)}/accept`).then(
        ({ boardId }) => leave(boardLink(boardId)),
        (error: Error) => view.showNotice(error.message),
      );
    });
    showGate('You are invited', text, accept, decline);
  } catch (error) {
    if (!(error instanceof Problem) || ![404, 410, 422].includes(error.status)) throw error;
    sessionStorage.removeItem(INVITE_KEY);
    const back = make('a', { href: '/', className: 'button' }, 'Your boards');
    showGate(
      'This invite is over',
      'It has expired, has been revoked or used up. Ask for another one.',
      back,
    );
  }
}

function showAccount(session: Session): void {
  element('account').hidden = false;
  element('account-name').textContent = session.user.name;
  element<HTMLButtonElement>('sign-out').onclick = () => {
    session.signOut().then(
      () => location.assign('/'),
      (error: Error) => view.showNotice(error.message),
    );
  };
}

/** Out of the address, where it would stay in the history. */
function takeInvite(): void {
  const token = new URLSearchParams(location.hash.slice(1)).get('invite');
  if (!token) return;
  sessionStorage.setItem(INVITE_KEY, token);
  history.replaceState(null, '', `${location.pathname}${location.search}`);
}

function takeParam(name: string): string | null {
  const url = new URL(location.href);
  const value = url.searchParams.get(name);
  url.searchParams.delete(name);
  if (value !== null) history.replaceState(null, '', url);
  return value;
}
