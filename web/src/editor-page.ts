import { Awareness } from 'y-protocols/awareness';
import * as Y from 'yjs';
import { ProtocolManager } from '../../lib/provider/index.ts';
import { createEditor, type Editor } from './editor.ts';
import { element } from './elements.ts';
import { colorClass, loadName, publishPerson, saveName, type Person } from './identity.ts';
import { view } from './shell.ts';

/** The document of a room that this page edits, and the name of its text; `npm run replay` uses the same. */
const DOC_ID = 'text';
const TEXT_NAME = 'text';

export interface RoomOptions {
  roomId: string;
  /** Shown to the others, and not to be changed; without it the visitor chooses. */
  person?: { name: string };
  getToken?: () => Promise<string | undefined>;
  /** The room is no longer, or not, this person's to see. */
  onClosed?: () => void;
  /** It is again. */
  onOpenedAgain?: () => void;
}

export interface Room {
  manager: ProtocolManager;
  awareness: Awareness;
  editor: Editor;
  doc: Y.Doc;
}

const reload = { label: 'Reload', run: () => location.reload() };

/** Opens a room in the editor of the page. */
export function openRoom({ roomId, person, getToken, ...told }: RoomOptions): Room {
  const doc = new Y.Doc();
  const awareness = new Awareness(doc);
  const manager = new ProtocolManager({ url: location.origin, roomId, ...(getToken ? { getToken } : {}) });
  const editor = createEditor(element('editor'), doc.getText(TEXT_NAME), awareness);
  // What is typed before the first state has come would be merged at a place the writer did not see.
  editor.setReadOnly(true);
  showYou(awareness, editor, person);
  const room = { manager, awareness, editor, doc };
  followConnection(room);
  followDocument(room, told);
  manager.addDoc(doc, { docId: DOC_ID, awareness });
  addEventListener('beforeunload', (event) => {
    if (manager.hasUnackedChanges) event.preventDefault(); // the browser asks whether to leave
  });
  addEventListener('pagehide', () => manager.destroy());
  return room;
}

function showYou(awareness: Awareness, editor: Editor, person: RoomOptions['person']): void {
  const input = element<HTMLInputElement>('name');
  input.value = person?.name ?? loadName();
  input.readOnly = person !== undefined;
  const publish = () => {
    input.size = Math.max(4, input.value.length);
    publishPerson(awareness, input.value.trim() || loadName());
  };
  if (!person) {
    input.addEventListener('input', publish);
    input.addEventListener('change', () => {
      input.value = saveName(input.value);
      publish();
    });
  }
  input.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter') return;
    event.preventDefault(); // else the text, which has the focus then, gets a new line
    if (!person) input.dispatchEvent(new Event('change'));
    editor.focus();
  });
  awareness.on('change', () => {
    publish(); // somebody may have had this colour before
    const user = awareness.getLocalState()?.user as Person | undefined;
    element('swatch').className = `swatch ${colorClass(user, awareness.clientID)}`;
  });
  publish();
}

function followConnection({ manager }: Room): void {
  const lost = 'The connection is lost. Keep writing: changes stay in this tab and are sent when it is back.';
  let wasConnected = false;
  manager.on('status', ({ status }) => {
    view.showState(status === 'closed' ? 'disconnected' : status);
    if (status === 'connected') {
      wasConnected = true;
      view.clearNotice();
    } else if (status === 'disconnected' && wasConnected) view.showNotice(lost);
  });
  manager.on('connection-error', ({ code, message, permanent }) => {
    if (code === 'UNAUTHENTICATED') view.showNotice('You are no longer signed in.', reload);
    else if (permanent) view.showNotice(`The server refused the connection: ${message}`, reload);
    else if (!wasConnected) view.showNotice('The server does not answer. Trying again…');
  });
}

function followDocument(
  { manager, editor, doc }: Room,
  { onClosed, onOpenedAgain }: Pick<RoomOptions, 'onClosed' | 'onOpenedAgain'>,
): void {
  let wasSynced = false;
  let wasClosed = false;
  const showRight = () => {
    const isReadOnly = manager.documentState(doc)?.isReadOnly ?? false;
    editor.setReadOnly(isReadOnly || !wasSynced);
    view.showReadOnly(isReadOnly);
  };
  manager.on('read-only', showRight);
  manager.on('synced', ({ state }) => {
    if (!state) return;
    wasSynced = true;
    showRight();
    view.showSaved(manager.hasUnackedChanges);
    if (!wasClosed) return;
    wasClosed = false;
    view.clearNotice();
    onOpenedAgain?.();
  });
  manager.on('acked', ({ position }) => view.showSaved(manager.hasUnackedChanges, position));
  manager.on('unacked-changes', ({ hasUnackedChanges }) => view.showSaved(hasUnackedChanges));
  const refused = ({ code, message }: { code: string; message: string }) => {
    const isClosed = code === 'PERMISSION_DENIED';
    wasClosed ||= isClosed;
    if (isClosed) editor.setReadOnly(true);
    if (isClosed && onClosed) onClosed();
    else view.showNotice(`Refused: ${message}`);
  };
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
