import { showAccountsPage } from './accounts-page.ts';
import { showOpenPage } from './open-page.ts';
import { askEntrance, Problem } from './session.ts';
import { view } from './shell.ts';

const RETRY_MS = 1_000;

/** Which page this is depends on how one gets in. A server that is away is asked again. */
async function show(): Promise<void> {
  try {
    const entrance = await askEntrance();
    view.clearNotice();
    if (entrance.auth === 'accounts') await showAccountsPage(entrance);
    else showOpenPage();
  } catch (error) {
    const isAway = error instanceof Problem && (error.status === 0 || error.status >= 429);
    view.showNotice(isAway ? 'The server does not answer. Trying again…' : String(error));
    if (isAway) setTimeout(() => void show(), RETRY_MS);
  }
}

// An invite's link that is opened in a tab of this page.
addEventListener('hashchange', () => {
  if (location.hash.startsWith('#invite=')) location.reload();
});
void show();
