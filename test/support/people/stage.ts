import { randomBytes } from 'node:crypto';
import type { DocumentId } from '../../../lib/protocol/ids.ts';
import type { Runtime } from '../../../lib/broker/runtime.ts';
import { Browser } from '../browser.ts';
import type { BoardEditor, BoardEditorOptions } from '../board-editor.ts';
import type { KnownSecrets } from '../known-secrets.ts';
import { updatesInLog } from '../log-records.ts';
import type { OpenIdServer } from '../openid-provider.ts';
import { emailOf, SignedInPerson } from '../signed-in.ts';
import { waitFor } from '../wait.ts';

export interface StageParts {
  /** Of the gateways; with one of them both names are the same. */
  urls: readonly [string, string];
  provider: OpenIdServer;
  secrets: KnownSecrets;
  /** Looks at the log and the store. */
  observer: Pick<Runtime, 'topics' | 'stream' | 'store' | 'database'>;
}

const SIGN_INS_AT_ONCE = 4;
const HEARD_MS = 60_000;
/** Reconnects soon, so that a test waits for the server and not for the client. */
const RECONNECT = { reconnectMinMs: 50, reconnectMaxMs: 500 };
/** In the URL of a callback. */
const URL_SECRETS = ['code', 'state', 'nonce'];

export interface EditOptions extends Partial<Omit<BoardEditorOptions, 'url'>> {
  /** Number of the gateway. */
  at?: 0 | 1;
  url?: BoardEditorOptions['url'];
}

/** Boards, the people who have signed in for them, and everything that they have typed and been given. */
export class PeopleStage {
  readonly parts: StageParts;
  readonly #editors: BoardEditor[] = [];
  readonly #people: SignedInPerson[] = [];
  readonly #browsers: Browser[] = [];
  readonly #marker = `typed-${randomBytes(8).toString('hex')}`;
  #words = 0;

  constructor(parts: StageParts) {
    this.parts = parts;
    parts.secrets.add('what was typed', this.#marker);
  }

  /** Through the provider at the last gateway; each call is another person, whose name begins like this. */
  async signIn(name: string): Promise<SignedInPerson> {
    return this.#signIn(`${name}-${randomBytes(4).toString('hex')}`);
  }

  /** The same person in another browser: a session of its own. */
  async signInAgain({ name }: SignedInPerson): Promise<SignedInPerson> {
    return this.#signIn(name);
  }

  async signInMany(name: string, count: number): Promise<SignedInPerson[]> {
    const people: SignedInPerson[] = [];
    while (people.length < count) {
      const length = Math.min(SIGN_INS_AT_ONCE, count - people.length);
      people.push(...(await Promise.all(Array.from({ length }, () => this.signIn(name)))));
    }
    return people;
  }

  /** A board of the first, whose invite the others have accepted. */
  async board(owner: SignedInPerson, ...guests: SignedInPerson[]): Promise<string> {
    const boardId = await owner.makeBoard();
    if (guests.length > 0) await this.accept(await owner.invite(boardId, 'editor'), ...guests);
    return boardId;
  }

  async accept(token: string, ...guests: SignedInPerson[]): Promise<void> {
    for (const guest of guests) {
      const { status } = await guest.accept(token);
      if (status !== 200) throw new Error(`${guest.name} cannot accept: ${status}`);
    }
  }

  /**
   * Every gateway has heard what was changed until now, and asks nobody for it any more: changes come in their order.
   * For who then takes away whom they would ask.
   */
  async untilChangesAreHeard(): Promise<void> {
    const [owner, witness] = [await this.signIn('owner'), await this.signIn('witness')];
    const boardId = await this.board(owner, witness);
    const editors = [this.edit(witness, boardId), this.edit(witness, boardId, { at: 1 })];
    for (const editor of editors) await editor.synced(HEARD_MS);
    const { status } = await owner.api('DELETE', `/api/boards/${boardId}/members/${witness.userId}`);
    if (status !== 204) throw new Error(`The witness cannot be taken out: ${status}`);
    const areTold = () => editors.every(({ denied }) => denied.length > 0);
    await waitFor(areTold, { timeoutMs: HEARD_MS, what: 'the last change is heard' });
    for (const editor of editors) editor.close();
  }

  edit(person: SignedInPerson, boardId: string, { at = 0, url, ...options }: EditOptions = {}): BoardEditor {
    const editor = person.edit(boardId, url ?? this.parts.urls[at], { ...RECONNECT, ...options });
    this.#editors.push(editor);
    return editor;
  }

  /** Never the same, with a blank behind it. */
  word(): string {
    return `${this.#marker}.${++this.#words} `;
  }

  /** Updates of a board in the log. */
  appendedTo(board: DocumentId): Promise<number> {
    return updatesInLog(board, this.parts.observer);
  }

  /** Updates of a board in the database. */
  async storedOf(board: DocumentId): Promise<number> {
    let count = 0;
    for await (const { repeatOf } of (await this.parts.observer.store()).exportHistory(board))
      if (repeatOf === undefined) count++;
    return count;
  }

  /** 1 until it is deleted for good, as the database knows it. */
  async generationOf(board: DocumentId): Promise<number> {
    const { topics } = this.parts.observer;
    const { partition } = topics.target('doc', board);
    const store = await this.parts.observer.store();
    return (await store.lifecycle({ document: board, epoch: 0, partition })).generation;
  }

  /** The document of a board, as the log and the store know it. */
  async documentOf(person: SignedInPerson, boardId: string): Promise<DocumentId> {
    const { body } = await person.api('GET', `/api/boards/${boardId}`);
    return { tenantId: body.workspaceId as string, roomId: boardId, docId: 'doc' };
  }

  /** Everybody closes their pages; what they were given is remembered as secret. */
  close(): void {
    for (const editor of this.#editors.splice(0)) editor.close();
    const { secrets } = this.parts;
    for (const { name, tokens } of this.#people.splice(0)) {
      secrets.add('an address', emailOf(name));
      for (const token of tokens) secrets.add('a token', token);
    }
    // Also of those whose sign-in has failed.
    for (const { cookiesGiven, visited } of this.#browsers.splice(0)) {
      for (const cookie of cookiesGiven) secrets.add('a cookie', cookie);
      for (const url of visited)
        for (const key of URL_SECRETS) secrets.add(key, new URL(url).searchParams.get(key));
    }
  }

  async #signIn(name: string): Promise<SignedInPerson> {
    const { urls, provider } = this.parts;
    const browser = new Browser();
    this.#browsers.push(browser);
    const person = await SignedInPerson.signInWith(browser, name, { url: urls[1], provider });
    this.#people.push(person);
    return person;
  }
}

/** Types a word in each editor again and again until it is stopped. */
export function keepTyping(
  editors: readonly BoardEditor[],
  { word, everyMs }: { word: () => string; everyMs: number },
): { stop: () => void; typed: Map<BoardEditor, string[]> } {
  const typed = new Map(editors.map((editor) => [editor, [] as string[]]));
  const timer = setInterval(() => {
    for (const editor of editors) {
      // An editor shows a document that takes no part any more as one to read.
      if (editor.state.halted) continue;
      const said = word();
      typed.get(editor)!.push(said);
      editor.type(said);
    }
  }, everyMs);
  return { stop: () => clearInterval(timer), typed };
}
