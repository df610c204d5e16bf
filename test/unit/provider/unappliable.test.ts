import { afterEach, describe, expect, it } from '@jest/globals';
import * as Y from 'yjs';
import { createDocumentAdapter, type DocumentAdapter } from '../../../lib/provider/index.ts';
import { ROOM, TestWorld, textOf, updateOf } from './harness.ts';

let world: TestWorld;
afterEach(() => world.destroy());

const insert = (text: string) => updateOf((doc) => doc.getText('t').insert(0, text));

/** A Yjs document whose adapter cannot take updates of more than so many bytes. */
class Picky implements DocumentAdapter {
  readonly document: Y.Doc;
  readonly #inner: DocumentAdapter;
  readonly #isTrap: boolean;
  refuses = 0;
  maxBytes = 60;

  constructor(document: Y.Doc, { isTrap = false } = {}) {
    this.document = document;
    this.#inner = createDocumentAdapter(document);
    this.#isTrap = isTrap;
  }

  applyUpdate(update: Uint8Array, origin: unknown): void {
    if (update.byteLength > this.maxBytes) {
      this.refuses++;
      throw this.#isTrap ? new WebAssembly.RuntimeError('unreachable') : new Error('hostile');
    }
    this.#inner.applyUpdate(update, origin);
  }

  encodeStateAsUpdate = (vector?: Uint8Array) => this.#inner.encodeStateAsUpdate(vector);
  encodeStateVector = () => this.#inner.encodeStateVector();
  isEmpty = () => this.#inner.isEmpty();
  onLocalUpdate: DocumentAdapter['onLocalUpdate'] = (...args) => this.#inner.onLocalUpdate(...args);
  onSubdocuments: DocumentAdapter['onSubdocuments'] = (...args) => this.#inner.onSubdocuments(...args);
  onDestroy: DocumentAdapter['onDestroy'] = (...args) => this.#inner.onDestroy(...args);
  isTrap = (error: unknown) => error instanceof WebAssembly.RuntimeError;
}

describe('updates that cannot be applied', () => {
  it('are reported, synced again, and not for ever', () => {
    world = new TestWorld();
    const client = world.client();
    const picky = new Picky(new Y.Doc());
    client.manager.addDoc(picky, { docId: 'doc' });
    world.run();
    const bad = world.server.write(ROOM, insert('hostile '.repeat(20)));
    world.run(120_000);
    const failures = client.all('update-failed');
    expect(failures[0]).toMatchObject({ docId: 'doc', position: bad.position, final: false });
    expect(failures.at(-1)).toMatchObject({ final: true });
    expect(failures).toHaveLength(4);
    expect(world.server.joins).toHaveLength(4);
    expect(client.manager.documentState('doc')).toMatchObject({ halted: 'unreadable', isSynced: false });
    // The next connection begins anew.
    picky.maxBytes = Infinity;
    world.session.drop();
    world.run(3000);
    expect(client.manager.documentState('doc')).toMatchObject({ halted: undefined, isSynced: true });
    expect(textOf(picky.document)).toBe('hostile '.repeat(20));
  });

  it('do not stop what can be applied', () => {
    world = new TestWorld();
    const client = world.client();
    const picky = new Picky(new Y.Doc());
    client.manager.addDoc(picky, { docId: 'doc' });
    const other = client.open('', 'other');
    world.run();
    world.server.write(ROOM, insert('hostile '.repeat(20)));
    world.server.write({ ...ROOM, docId: 'other' }, insert('fine'));
    world.run();
    expect(textOf(other)).toBe('fine');
  });

  it('a mutated update that Yjs throws at is survived', () => {
    world = new TestWorld();
    const client = world.client();
    client.open();
    const other = client.open('', 'other');
    world.run();
    world.server.write(ROOM, insert('text').slice(0, -1));
    world.run(30_000);
    expect(client.all('update-failed').length).toBeGreaterThan(0);
    world.server.write({ ...ROOM, docId: 'other' }, insert('fine'));
    world.run();
    expect(textOf(other)).toBe('fine');
  });
});

describe('a trapped WASM instance', () => {
  it('is reported, and the document comes back in a fresh one with what was not acked', () => {
    world = new TestWorld();
    const client = world.client();
    const picky = new Picky(new Y.Doc(), { isTrap: true });
    client.manager.addDoc(picky, { docId: 'doc' });
    world.run();
    world.server.appendRule = () => 'lose';
    picky.document.getText('t').insert(0, 'mine ');
    world.run();
    world.server.write(ROOM, insert('trap '.repeat(20)));
    world.run();
    expect(client.all('document-trapped')).toMatchObject([{ docId: 'doc', document: undefined }]);
    expect(client.manager.documentState('doc')).toMatchObject({ halted: 'trapped', hasUnackedChanges: true });
    world.server.appendRule = () => undefined;
    const fresh = new Y.Doc();
    client.manager.addDoc(fresh, { docId: 'doc' });
    world.run(60_000);
    expect(textOf(fresh)).toContain('mine ');
    expect(textOf(fresh)).toContain('trap ');
    expect(world.serverText()).toBe(textOf(fresh));
    expect(client.manager.hasUnackedChanges).toBe(false);
  });

  it('is replaced by itself when it was told how', () => {
    world = new TestWorld();
    const client = world.client();
    const picky = new Picky(new Y.Doc(), { isTrap: true });
    const fresh = new Y.Doc();
    client.manager.addDoc(picky, { docId: 'doc', recreate: () => fresh });
    world.run();
    world.server.write(ROOM, insert('trap '.repeat(20)));
    world.run(1000);
    expect(client.all('document-trapped')).toMatchObject([{ document: fresh }]);
    expect(textOf(fresh)).toBe('trap '.repeat(20));
    expect(client.manager.documentState(fresh)).toMatchObject({ isSynced: true });
  });
});
