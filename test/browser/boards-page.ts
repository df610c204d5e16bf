import type { BrowserContextOptions, Locator } from 'playwright-core';
import { openTab, type Tab } from './chromium.ts';
import { EditorPage } from './editor-page.ts';

/** What a person with an account does with the page. */
export class BoardsPage extends EditorPage {
  /** Opens an address of the page, signed in or not. */
  static async visit(url: string, options?: BrowserContextOptions): Promise<BoardsPage> {
    return new BoardsPage(await openTab(url, options));
  }

  /** Errors of the page, without what the browser says of a session that is not there (yet). */
  get errors(): string[] {
    const { errors }: Tab = this.tab;
    return errors.filter((text) => !text.includes('status of 401'));
  }

  /** From the page that offers to sign in; comes back to where it was. */
  async signIn(name: string): Promise<void> {
    await this.page.getByRole('link', { name: 'Sign in with a name only' }).click();
    await this.page.getByLabel('Your name').fill(name);
    await this.page.getByRole('button', { name: 'Sign in' }).click();
    await this.page.getByRole('button', { name: 'Sign out' }).waitFor();
  }

  async makeBoard(name: string): Promise<void> {
    await this.page.getByLabel('Name of the new board').fill(name);
    await this.page.getByRole('button', { name: 'Make board' }).click();
    await this.untilReady();
  }

  /** Who may open the board, and by which link. */
  async openShare(): Promise<void> {
    await this.page.getByText('Share this board').click();
  }

  /** The link that gives a role on the open board. */
  async inviteLink(role: 'may edit' | 'may read'): Promise<string> {
    await this.page.getByLabel('Who has the link').selectOption({ label: role });
    await this.page.getByRole('button', { name: 'Make invite link' }).click();
    const link = this.page.getByLabel('Invite link');
    await link.waitFor();
    return link.inputValue();
  }

  member(name: string): Locator {
    return this.page.locator('#members').getByRole('listitem').filter({ hasText: name });
  }
}
