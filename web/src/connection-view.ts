import type { Position } from '../../lib/protocol/position.ts';

type Saved = 'idle' | 'saving' | 'saved';
export type ConnectionState = 'connecting' | 'connected' | 'disconnected';

interface Elements {
  state: HTMLElement;
  stateText: HTMLElement;
  saved: HTMLElement;
  mode: HTMLElement;
  notice: HTMLElement;
  noticeText: HTMLElement;
  noticeButton: HTMLButtonElement;
}

const STATE_TEXT: Record<ConnectionState, string> = {
  connecting: 'Connecting…',
  connected: 'Connected',
  disconnected: 'Not connected',
};

/** Tells the user how things stand: the connection, what is saved, and what went wrong. */
export class ConnectionView {
  readonly #elements: Elements;
  #position: Position | undefined;

  constructor(elements: Elements) {
    this.#elements = elements;
  }

  showState(state: ConnectionState): void {
    this.#elements.state.dataset.state = state;
    this.#elements.stateText.textContent = STATE_TEXT[state];
  }

  /** `position` is where the last change of this page is durable in the log. */
  showSaved(hasUnacked: boolean, position?: Position): void {
    this.#position = position ?? this.#position;
    if (hasUnacked) this.#setSaved('saving', 'saving…');
    else if (this.#position) {
      const { partition, offset } = this.#position;
      const title = `Your last change is in the log: partition ${partition}, offset ${offset}.`;
      this.#setSaved('saved', `saved at ${partition}/${offset}`, title);
    } else this.#setSaved('idle', 'up to date');
  }

  showReadOnly(isReadOnly: boolean): void {
    this.#elements.mode.textContent = isReadOnly ? 'Read only: you may not change this text.' : '';
  }

  /** A message that stays until `clearNotice`, with an action if there is one. */
  showNotice(text: string, action?: { label: string; run: () => void }): void {
    const { notice, noticeText, noticeButton } = this.#elements;
    noticeText.textContent = text;
    noticeButton.hidden = !action;
    noticeButton.textContent = action?.label ?? '';
    noticeButton.onclick = action ? () => action.run() : null;
    notice.hidden = false;
  }

  clearNotice(): void {
    this.#elements.notice.hidden = true;
  }

  #setSaved(saved: Saved, text: string, title = ''): void {
    const element = this.#elements.saved;
    if (element.textContent !== text) element.textContent = text;
    element.dataset.saved = saved;
    element.title = title;
  }
}
