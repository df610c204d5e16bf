import { Annotation, RangeSetBuilder, type Extension } from '@codemirror/state';
import {
  Decoration,
  EditorView,
  ViewPlugin,
  WidgetType,
  type DecorationSet,
  type ViewUpdate,
} from '@codemirror/view';
import type { Awareness } from 'y-protocols/awareness';
import * as Y from 'yjs';
import { colorClass, COLORS, nameOf, type Person } from './identity.ts';

/*
 * Cursors and selections of the others. The binding's own plugin writes colours into `style` attributes, which
 * a strict Content-Security-Policy forbids, and shows names on hover only; this one uses classes.
 */

interface CursorState {
  user?: Partial<Person>;
  cursor?: { anchor: unknown; head: unknown } | null;
}

const remoteChange = Annotation.define<true>();

class Caret extends WidgetType {
  readonly #name: string;
  readonly #color: string;

  constructor(name: string, color: string) {
    super();
    this.#name = name;
    this.#color = color;
  }

  override eq(other: Caret): boolean {
    return other.#name === this.#name && other.#color === this.#color;
  }

  override toDOM(): HTMLElement {
    const caret = document.createElement('span');
    caret.className = `remote-caret ${this.#color}`;
    caret.setAttribute('aria-hidden', 'true'); // the list of people says who is here
    const label = document.createElement('span');
    label.className = 'remote-name';
    label.textContent = this.#name;
    caret.append('\u2060', label, '\u2060');
    return caret;
  }

  override ignoreEvent(): boolean {
    return true;
  }
}

class RemoteCursors {
  decorations: DecorationSet = Decoration.none;
  readonly #text: Y.Text;
  readonly #awareness: Awareness;
  readonly #onChange: (changes: Record<'added' | 'updated' | 'removed', number[]>) => void;

  constructor(view: EditorView, text: Y.Text, awareness: Awareness) {
    this.#text = text;
    this.#awareness = awareness;
    this.#onChange = ({ added, updated, removed }) => {
      // The own state changes inside an update of the view, where no other one may begin.
      if ([...added, ...updated, ...removed].some((id) => id !== awareness.clientID))
        view.dispatch({ annotations: remoteChange.of(true) });
    };
    awareness.on('change', this.#onChange);
    this.decorations = this.#decorate(view.state.doc.length);
  }

  destroy(): void {
    this.#awareness.off('change', this.#onChange);
  }

  update(update: ViewUpdate): void {
    if (update.docChanged || update.selectionSet || update.focusChanged) this.#publish(update.view);
    const isRemote = update.transactions.some((transaction) => transaction.annotation(remoteChange));
    if (update.docChanged || isRemote) this.decorations = this.#decorate(update.state.doc.length);
  }

  #publish(view: EditorView): void {
    if (!view.hasFocus) return; // the last place stays visible to the others
    const { anchor, head } = view.state.selection.main;
    const cursor = { anchor: this.#relative(anchor), head: this.#relative(head) };
    const before = (this.#awareness.getLocalState() as CursorState | null)?.cursor;
    if (JSON.stringify(before) !== JSON.stringify(cursor))
      this.#awareness.setLocalStateField('cursor', cursor);
  }

  #relative(index: number): unknown {
    return JSON.parse(JSON.stringify(Y.createRelativePositionFromTypeIndex(this.#text, index)));
  }

  #absolute(position: unknown, length: number): number | undefined {
    try {
      const relative = Y.createRelativePositionFromJSON(position);
      const absolute = Y.createAbsolutePositionFromRelativePosition(relative, this.#text.doc!);
      return absolute?.type === this.#text ? Math.min(absolute.index, length) : undefined;
    } catch {
      return undefined; // another program's idea of a cursor
    }
  }

  #decorate(length: number): DecorationSet {
    const found: { from: number; to: number; value: Decoration }[] = [];
    for (const [id, state] of this.#awareness.getStates() as Map<number, CursorState>) {
      if (id === this.#awareness.clientID || !state.cursor) continue;
      const anchor = this.#absolute(state.cursor.anchor, length);
      const head = this.#absolute(state.cursor.head, length);
      if (anchor === undefined || head === undefined) continue;
      const color = colorClass(state.user, id);
      if (anchor !== head) {
        const value = Decoration.mark({ class: `remote-selection s${color.slice(1)}` });
        found.push({ from: Math.min(anchor, head), to: Math.max(anchor, head), value });
      }
      const value = Decoration.widget({
        side: head > anchor ? -1 : 1,
        widget: new Caret(nameOf(state.user), color),
      });
      found.push({ from: head, to: head, value });
    }
    found.sort((a, b) => a.from - b.from || a.value.startSide - b.value.startSide);
    const builder = new RangeSetBuilder<Decoration>();
    for (const { from, to, value } of found) builder.add(from, to, value);
    return builder.finish();
  }
}

const colorRules = Object.fromEntries(
  COLORS.flatMap((color, index) => [
    [`.remote-caret.c${index}, .c${index} .remote-name`, { backgroundColor: color }],
    [`.remote-selection.s${index}`, { backgroundColor: `${color}3d` }],
  ]),
);

const theme = EditorView.baseTheme({
  ...colorRules,
  '.remote-caret': { position: 'relative', marginLeft: '-1px', marginRight: '-1px', padding: '2px 1px' },
  '.remote-name': {
    position: 'absolute',
    left: '0',
    bottom: '100%',
    padding: '0 6px',
    borderRadius: '6px 6px 6px 0',
    color: '#fff',
    font: '600 11px/17px system-ui, sans-serif',
    whiteSpace: 'nowrap',
    pointerEvents: 'none',
    userSelect: 'none',
    zIndex: '5',
  },
});

/** Shows the named cursors and selections of the others, and publishes the own one. */
export function remoteCursors(text: Y.Text, awareness: Awareness): Extension {
  return [
    theme,
    ViewPlugin.define((view) => new RemoteCursors(view, text, awareness), {
      decorations: (plugin) => plugin.decorations,
    }),
  ];
}
