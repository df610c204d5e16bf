import { Awareness } from 'y-protocols/awareness';
import * as Y from 'yjs';
import { ProtocolManager } from '../../lib/provider/index.ts';
import { ConnectionView } from './connection-view.ts';
import { createEditor } from './editor.ts';
import { element } from './elements.ts';
import { colorClass, loadName, publishPerson, saveName, type Person } from './identity.ts';
import { showPeople } from './people.ts';
import { freshRoom, linkTo, roomOf } from './room.ts';

/** The document of a room that this page edits, and the name of its text; `npm run replay` uses the same. */
const DOC_ID = 'text';
const TEXT_NAME = 'text';

const room = roomOf(new URL(location.href));
const doc = new Y.Doc();
const awareness = new Awareness(doc);
const manager = new ProtocolManager({ url: location.origin, roomId: room });
const view = new ConnectionView({
  state: element('state'),
  stateText: element('state-text'),
  saved: element('saved'),
  mode: element('mode'),
  notice: element('notice'),
  noticeText: element('notice-text'),
  noticeButton: element<HTMLButtonElement>('notice-button'),
});
const editor = createEditor(element('editor'), doc.getText(TEXT_NAME), awareness);
// What is typed before the first state has come would be merged at a place the writer did not see.
editor.setReadOnly(true);

function showRoom(): void {
  document.title = `${room} · y-kafka`;
  element('room').textContent = room;
  element<HTMLAnchorElement>('fresh').href = linkTo(freshRoom(), location.origin);
  const copy = element<HTMLButtonElement>('copy');
  copy.addEventListener('click', () => {
    const link = linkTo(room, location.origin);
    navigator.clipboard.writeText(link).then(
      () => (copy.textContent = 'Copied'),
      () => view.showNotice(`The link could not be copied. It is ${link}`),
    );
    setTimeout(() => (copy.textContent = 'Copy link'), 2000);
  });
}

function showYou(): void {
  const input = element<HTMLInputElement>('name');
  input.value = loadName();
  const publish = () => {
    input.size = Math.max(4, input.value.length);
    publishPerson(awareness, input.value.trim() || loadName());
  };
  input.addEventListener('input', publish);
  input.addEventListener('change', () => {
    input.value = saveName(input.value);
    publish();
  });
  input.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter') return;
    event.preventDefault(); // else the text, which has the focus then, gets a new line
    input.dispatchEvent(new Event('change'));
    editor.focus();
  });
  awareness.on('change', () => {
    publish(); // somebody may have had this colour before
    const user = awareness.getLocalState()?.user as Person | undefined;
    element('swatch').className = `swatch ${colorClass(user, awareness.clientID)}`;
  });
  publish();
}

function followConnection(): void {
  const lost = 'The connection is lost. Keep writing: changes stay in this tab and are sent when it is back.';
  let wasConnected = false;
  manager.on('status', ({ status }) => {
    view.showState(status === 'closed' ? 'disconnected' : status);
    if (status === 'connected') {
      wasConnected = true;
      view.clearNotice();
    } else if (status === 'disconnected' && wasConnected) view.showNotice(lost);
  });
  manager.on('connection-error', ({ message, permanent }) => {
    if (permanent) view.showNotice(`The server refused the connection: ${message}`, reload);
    else if (!wasConnected) view.showNotice('The server does not answer. Trying again…');
  });
}

function followDocument(): void {
  manager.on('synced', ({ state }) => {
    if (!state) return;
    const isReadOnly = manager.documentState(doc)?.isReadOnly ?? false;
    editor.setReadOnly(isReadOnly);
    view.showReadOnly(isReadOnly);
    view.showSaved(manager.hasUnackedChanges);
  });
  manager.on('acked', ({ position }) => view.showSaved(manager.hasUnackedChanges, position));
  manager.on('unacked-changes', ({ hasUnackedChanges }) => view.showSaved(hasUnackedChanges));
  const refused = ({ message }: { message: string }) => view.showNotice(`Refused: ${message}`);
  manager.on('permission-denied', refused);
  manager.on('join-refused', refused);
  manager.on('update-refused', refused);
  manager.on('document-deleted', () => {
    editor.setReadOnly(true);
    view.showNotice('This text has been deleted. What you see is your own copy.');
  });
  manager.on('document-replaced', () => {
    editor.setReadOnly(true);
    view.showNotice('This text has been replaced on the server.', reload);
  });
}

const reload = { label: 'Reload', run: () => location.reload() };

showRoom();
showYou();
showPeople(awareness, { list: element('people'), alone: element('alone') });
followConnection();
followDocument();
manager.addDoc(doc, { docId: DOC_ID, awareness });

addEventListener('beforeunload', (event) => {
  if (manager.hasUnackedChanges) event.preventDefault(); // the browser asks whether to leave
});
addEventListener('pagehide', () => manager.destroy());
