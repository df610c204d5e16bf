import type { BrowserContextOptions, Locator, Page } from 'playwright-core';
import { waitFor } from '../support/wait.ts';
import { openTab, type Tab } from './chromium.ts';

/** What a person sees of the page, and does with it. */
export class EditorPage {
  readonly tab: Tab;
  readonly page: Page;
  readonly text: Locator;
  readonly saved: Locator;
  readonly state: Locator;
  readonly notice: Locator;

  protected constructor(tab: Tab) {
    this.tab = tab;
    this.page = tab.page;
    this.text = this.page.getByRole('textbox', { name: 'Shared text' });
    this.saved = this.page.locator('#saved');
    this.state = this.page.getByRole('status').filter({ hasText: /onnect/ });
    this.notice = this.page.getByRole('alert');
  }

  static async open(url: string, room: string, options?: BrowserContextOptions): Promise<EditorPage> {
    const page = new EditorPage(await openTab(`${url}/?room=${encodeURIComponent(room)}`, options));
    await page.untilReady();
    return page;
  }

  async untilReady(): Promise<void> {
    await this.state.getByText('Connected', { exact: true }).waitFor();
    await this.page.locator('.cm-content[contenteditable=true]').waitFor();
  }

  async rename(name: string): Promise<void> {
    const input = this.page.getByLabel('Your name, shown to the others');
    await input.fill(name);
    await input.press('Enter');
  }

  /** Types at the end of the text. */
  async write(text: string): Promise<void> {
    await this.text.focus();
    await this.page.keyboard.press('Control+End');
    await this.page.keyboard.type(text);
  }

  /** The lines as they stand in the editor, without the names of cursors. */
  async content(): Promise<string> {
    return this.text.evaluate((element) =>
      [...element.querySelectorAll('.cm-line')]
        .map((line) => {
          const copy = line.cloneNode(true) as HTMLElement;
          for (const caret of copy.querySelectorAll('.remote-caret, .cm-placeholder')) caret.remove();
          return copy.textContent ?? '';
        })
        .join('\n'),
    );
  }

  async untilContent(expected: string): Promise<void> {
    let seen = '';
    await waitFor(async () => (seen = await this.content()) === expected, {
      timeoutMs: 60_000,
      what: `the text ${JSON.stringify(expected)}`,
    }).catch((error: unknown) => {
      throw new Error(`It is ${JSON.stringify(seen)}`, { cause: error });
    });
  }

  async untilSaved(): Promise<string> {
    const label = this.saved.filter({ hasText: /^saved at \d+\/\d+$/ });
    await label.waitFor();
    return label.innerText();
  }

  cursorOf(name: string): Locator {
    return this.page.locator('.remote-name').filter({ hasText: name });
  }

  personNamed(name: string): Locator {
    return this.page
      .getByRole('region', { name: 'People in this room' })
      .getByRole('listitem')
      .filter({ hasText: name });
  }
}
