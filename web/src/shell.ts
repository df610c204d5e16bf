import { ConnectionView } from './connection-view.ts';
import { element } from './elements.ts';

const PARTS = ['gate', 'home', 'workspace'] as const;

/** The page around everything: which part of it is seen, and what it has to say. */
export const view = new ConnectionView({
  state: element('state'),
  stateText: element('state-text'),
  saved: element('saved'),
  mode: element('mode'),
  notice: element('notice'),
  noticeText: element('notice-text'),
  noticeButton: element<HTMLButtonElement>('notice-button'),
});

/** Shows one part and hides the others. */
export function showPart(part: (typeof PARTS)[number]): void {
  for (const each of PARTS) element(each).hidden = each !== part;
  for (const id of ['room-bar', 'state']) element(id).hidden = part !== 'workspace';
}

/** A message with a few ways to go on. */
export function showGate(
  title: string,
  text: string,
  ...actions: (HTMLAnchorElement | HTMLButtonElement)[]
): void {
  element('gate-title').textContent = title;
  element('gate-text').textContent = text;
  element('gate-actions').replaceChildren(...actions);
  document.title = `${title} · y-kafka`;
  showPart('gate');
  // Whoever hears the page is told what has come.
  element('gate-title').focus();
}

/** Copies, and says so on the button; where the browser does not let it, the text is shown. */
export function offerCopy(button: HTMLButtonElement, text: () => string): void {
  const label = button.textContent ?? '';
  button.addEventListener('click', () => {
    navigator.clipboard.writeText(text()).then(
      () => (button.textContent = 'Copied'),
      () => view.showNotice(`The link could not be copied. It is ${text()}`),
    );
    setTimeout(() => (button.textContent = label), 2000);
  });
}
