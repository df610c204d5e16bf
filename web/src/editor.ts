import { defaultKeymap } from '@codemirror/commands';
import { markdown } from '@codemirror/lang-markdown';
import { HighlightStyle, syntaxHighlighting } from '@codemirror/language';
import { Compartment, EditorState } from '@codemirror/state';
import { drawSelection, EditorView, highlightSpecialChars, keymap, placeholder } from '@codemirror/view';
import { tags } from '@lezer/highlight';
import { yCollab, yUndoManagerKeymap } from 'y-codemirror.next';
import type { Awareness } from 'y-protocols/awareness';
import type * as Y from 'yjs';
import { remoteCursors } from './remote-cursors.ts';

const theme = EditorView.theme({
  '&': { flex: '1', minWidth: '0', color: 'var(--ink)', backgroundColor: 'transparent' },
  '&.cm-focused': { outline: 'none' },
  '.cm-scroller': {
    font: '16px/1.7 ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, sans-serif',
    overflowX: 'hidden',
  },
  // Room above the first line for the name of a cursor in it.
  '.cm-content': { padding: '30px 0 24px', caretColor: 'var(--ink)' },
  '.cm-line': { padding: '0 24px' },
  '.cm-cursor': { borderLeftColor: 'var(--ink)', borderLeftWidth: '2px' },
  '.cm-placeholder': { color: 'var(--soft)' },
  '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground': {
    backgroundColor: 'var(--accent-soft)',
  },
});

const highlight = HighlightStyle.define([
  { tag: tags.heading1, fontSize: '1.5em', fontWeight: '700', lineHeight: '1.4' },
  { tag: tags.heading2, fontSize: '1.25em', fontWeight: '700' },
  { tag: tags.heading, fontWeight: '700' },
  { tag: tags.strong, fontWeight: '700' },
  { tag: tags.emphasis, fontStyle: 'italic' },
  { tag: tags.strikethrough, textDecoration: 'line-through' },
  { tag: [tags.monospace, tags.literal], color: 'var(--code)', fontFamily: 'ui-monospace, monospace' },
  { tag: [tags.link, tags.url], color: 'var(--accent)', textDecoration: 'underline' },
  { tag: tags.quote, color: 'var(--soft)' },
  { tag: [tags.processingInstruction, tags.contentSeparator], color: 'var(--soft)' },
]);

export interface Editor {
  setReadOnly(isReadOnly: boolean): void;
  focus(): void;
}

/** Shows `text` inside `parent`, bound in both directions; undo takes back the own edits only. */
export function createEditor(parent: HTMLElement, text: Y.Text, awareness: Awareness): Editor {
  // In a shadow root CodeMirror uses constructed style sheets, which a strict style-src allows; else a <style>.
  const root = parent.attachShadow({ mode: 'open' });
  const access = new Compartment();
  const writable = (is: boolean) => [EditorState.readOnly.of(!is), EditorView.editable.of(is)];
  const view = new EditorView({
    parent: root as unknown as DocumentFragment,
    root,
    doc: text.toString(),
    extensions: [
      access.of(writable(true)),
      highlightSpecialChars(),
      drawSelection(),
      EditorView.lineWrapping,
      EditorView.contentAttributes.of({ 'aria-label': 'Shared text', spellcheck: 'true' }),
      placeholder('Write something. Everybody in this room sees it at once.'),
      markdown(),
      syntaxHighlighting(highlight),
      keymap.of([...yUndoManagerKeymap, ...defaultKeymap]),
      yCollab(text, null),
      remoteCursors(text, awareness),
      theme,
    ],
  });
  // `parent` is a flex box, its shadow tree is not styled by the page.
  root.host.addEventListener('click', () => view.focus());
  return {
    setReadOnly: (isReadOnly) => view.dispatch({ effects: access.reconfigure(writable(!isReadOnly)) }),
    focus: () => view.focus(),
  };
}
