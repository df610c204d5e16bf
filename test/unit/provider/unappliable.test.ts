import { afterEach, describe, expect, it } from '@jest/globals';
import * as Y from 'yjs';
import { createDocumentAdapter, type DocumentAdapter } from '../../../lib/provider/index.ts';
import { hex } from '../../support/hex.ts';
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

/** Yjs decodes it, throws at it, and keeps its deletion, in a document with `text` by client 5. */
const HALF = hex('00020901000205037900020b021203');

/** The server sets aside what nobody can apply: its states do not hold it. */
function poison(update: Uint8Array) {
  const record = world.server.write(ROOM, update);
  record.update = new Uint8Array([0, 0]);
  return record;
}

/** A Yjs document that takes in a part of one update, and then throws at it. */
class HalfTaking extends Picky {
  part: Uint8Array = insert('half of it ');

  override applyUpdate(update: Uint8Array, origin: unknown): void {
    if (update.byteLength > this.maxBytes) Y.applyUpdate(this.document, this.part, origin);
    super.applyUpdate(update, origin);
  }
}

describe('an update that Yjs throws at with a part of it done', () => {
  it('never reaches the document: it stays the same one, and as a newcomer’s', () => {
    world = new TestWorld();
    const client = world.client();
    const doc = new Y.Doc();
    doc.clientID = 5;
    doc.getText('t').insert(0, 'half is enough');
    client.manager.addDoc(doc, { docId: 'doc' });
    world.run();
    const copy = new Y.Doc();
    Y.applyUpdate(copy, Y.encodeStateAsUpdate(doc));
    expect(() => Y.applyUpdate(copy, HALF)).toThrow();
    expect(textOf(copy)).not.toBe('half is enough');
    const changes: unknown[] = [];
    doc.on('update', (update) => changes.push(update));
    const { position } = poison(HALF);
    // However many there are at once, nobody is kept from syncing.
    for (let more = 0; more < 9; more++) poison(HALF);
    world.run(5000);
    expect(client.all('update-failed')).toHaveLength(10);
    expect(client.all('update-failed')[0]).toMatchObject({ docId: 'doc', position, final: false });
    expect(changes).toEqual([]);
    expect(textOf(doc)).toBe('half is enough');
    doc.getText('t').insert(14, ', and on');
    world.run(5000);
    expect(client.all('document-trapped')).toEqual([]);
    expect(client.manager.documentState('doc')).toMatchObject({ halted: undefined, isSynced: true });
    expect(world.serverText()).toBe('half is enough, and on');
    const newcomer = world.client().open();
    world.run();
    expect(textOf(newcomer)).toBe(textOf(doc));
  });

  it('has its document replaced by what a newcomer gets, and nothing of the part reaches the server', () => {
    world = new TestWorld();
    const client = world.client();
    const taking = new HalfTaking(new Y.Doc());
    const fresh = new Y.Doc();
    client.manager.addDoc(taking, { docId: 'doc', recreate: () => fresh });
    world.run();
    taking.document.getText('t').insert(0, 'mine, ');
    world.run();
    poison(insert('hostile '.repeat(20)));
    world.run(10);
    expect(textOf(taking.document)).toContain('half of it');
    taking.document.getText('t').insert(0, 'written meanwhile, ');
    world.run(10_000);
    expect(client.all('document-trapped')).toMatchObject([{ docId: 'doc', document: fresh }]);
    expect(client.manager.documentState(fresh)).toMatchObject({ isSynced: true, hasUnackedChanges: false });
    expect(textOf(fresh)).toContain('mine, ');
    expect(textOf(fresh)).not.toContain('half of it');
    expect(textOf(fresh)).toBe(world.serverText());
  });

  it('has its document replaced also when that throws at the whole state', () => {
    world = new TestWorld();
    const client = world.client();
    const taking = new HalfTaking(new Y.Doc());
    client.manager.addDoc(taking, { docId: 'doc' });
    world.run();
    poison(insert('hostile '.repeat(20)));
    taking.maxBytes = 50;
    world.server.write(ROOM, insert('what the others have written meanwhile, and is long'));
    world.run(10_000);
    expect(client.all('document-trapped')).toHaveLength(1);
    expect(client.manager.documentState('doc')).toMatchObject({ halted: 'trapped' });
  });

  it('is told from an observer of the application that throws: the document stays', () => {
    world = new TestWorld();
    const client = world.client();
    const doc = client.open();
    world.run();
    doc.getText('t').observe(({ transaction }) => {
      if (!transaction.local && textOf(doc).includes('bug')) throw new Error('a bug of the application');
    });
    doc.getText('t').insert(0, 'own ');
    world.server.write(ROOM, insert('bug '));
    world.server.write(ROOM, insert('theirs '));
    doc.getText('t').insert(0, 'more ');
    world.run(30_000);
    expect(client.all('update-failed').length).toBeGreaterThan(0);
    expect(client.all('document-trapped')).toEqual([]);
    expect(client.manager.documentState('doc')).toMatchObject({ isSynced: true, hasUnackedChanges: false });
    expect(textOf(doc)).toBe(world.serverText());
    for (const part of ['own', 'bug', 'theirs', 'more']) expect(textOf(doc)).toContain(part);
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
