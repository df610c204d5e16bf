import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Awareness } from 'y-protocols/awareness';
import * as Y from 'yjs';
import {
  createDocumentAdapter,
  loadYwasm,
  wrapYwasmGlue,
  type Ywasm,
  type YwasmDoc,
  type YwasmGlue,
} from '../../../lib/provider/index.ts';
import { ROOM, TestWorld, textOf } from './harness.ts';

let createYwasm: () => Ywasm;
let glueText: string;
let wasm: Buffer<ArrayBuffer>;
beforeAll(async () => {
  const { resolve } = createRequire(import.meta.url);
  glueText = await readFile(resolve('ywasm'), 'utf8');
  wasm = await readFile(resolve('ywasm/ywasm_bg.wasm'));
  createYwasm = await loadYwasm({ glue: glueText, wasm });
});

let world: TestWorld;
afterEach(() => world?.destroy());

/** An update that Yjs takes and ywasm traps on: structs merged over a gap, which makes a Skip. */
function trappingUpdate(): Uint8Array {
  const doc = new Y.Doc();
  const updates: Uint8Array[] = [];
  doc.on('update', (update: Uint8Array) => updates.push(update));
  for (const text of ['a', 'b', 'c']) doc.getText('t').insert(doc.getText('t').length, text);
  return Y.mergeUpdates([updates[0]!, updates[2]!]);
}

describe('ywasm documents', () => {
  it('and Yjs documents edit one text together', () => {
    world = new TestWorld();
    const [a, b] = [world.client(), world.client()];
    const { YDoc } = createYwasm();
    const yrs = new YDoc({});
    const text = yrs.getText('t');
    text.insert(0, 'offline ', undefined, undefined);
    a.manager.addDoc(yrs as YwasmDoc, { docId: 'doc' });
    const yjs = b.open();
    world.run();
    expect(textOf(yjs)).toBe('offline ');
    yjs.getText('t').insert(8, 'yjs ');
    world.run();
    text.insert(12, 'yrs', undefined, undefined);
    world.run();
    yjs.getText('t').delete(0, 8);
    world.run();
    expect(textOf(yjs)).toBe('yjs yrs');
    expect(text.toString(undefined)).toBe('yjs yrs');
    expect(world.serverText()).toBe('yjs yrs');
    expect(a.manager.hasUnackedChanges).toBe(false);
    // Nothing that came was sent back.
    expect(world.server.log(ROOM).filter((r) => r.senderId === a.manager.senderId)).toHaveLength(2);
  });

  it('have an awareness', () => {
    world = new TestWorld();
    const [a, b] = [world.client(), world.client()];
    const { YDoc } = createYwasm();
    const doc = new YDoc({});
    const one = new Awareness({ clientID: doc.id, on() {} } as unknown as Y.Doc);
    const other = new Awareness(new Y.Doc());
    a.manager.addDoc(doc as YwasmDoc, { docId: 'doc', awareness: one });
    b.manager.addDoc(other.doc, { docId: 'doc', awareness: other });
    world.run();
    one.setLocalState({ name: 'Yrs' });
    world.run();
    expect(other.getStates().get(doc.id)).toEqual({ name: 'Yrs' });
    one.destroy();
    other.destroy();
  });

  it('upload what was only deleted', () => {
    world = new TestWorld();
    const client = world.client();
    const source = new Y.Doc();
    source.getText('t').insert(0, 'text to cut');
    world.server.write(ROOM, Y.encodeStateAsUpdate(source));
    const { YDoc } = createYwasm();
    const doc = new YDoc({});
    const adapter = createDocumentAdapter(doc as YwasmDoc);
    adapter.applyUpdate(world.server.state(ROOM), undefined);
    doc.getText('t').delete(4, 7, undefined);
    client.manager.addDoc(adapter, { docId: 'doc' });
    world.run();
    expect(world.serverText()).toBe('text');
  });

  it('come back in a fresh instance when an update has trapped theirs, and others live on', () => {
    world = new TestWorld();
    const client = world.client();
    const poisoned = createYwasm();
    const doc = new poisoned.YDoc({});
    const text = doc.getText('t');
    const elsewhere = new (createYwasm().YDoc)({});
    client.manager.addDoc(doc as YwasmDoc, {
      docId: 'doc',
      recreate: () => new (createYwasm().YDoc)({}) as YwasmDoc,
    });
    client.manager.addDoc(elsewhere as YwasmDoc, { docId: 'other' });
    world.run();
    text.insert(0, 'mine', undefined, undefined);
    world.run();
    const trap = trappingUpdate();
    expect(() => Y.applyUpdate(new Y.Doc(), trap)).not.toThrow();
    const record = world.server.write(ROOM, trap);
    world.run(20);
    expect(client.all('update-failed')[0]).toMatchObject({ docId: 'doc', position: record.position });
    expect(client.all('document-trapped')[0]).toMatchObject({ docId: 'doc' });
    // The state without the bad update, as a server that quarantined it would send it.
    record.update = new Uint8Array([0, 0]);
    world.run(20_000);
    const fresh = client.manager.documents.get('doc') as InstanceType<Ywasm['YDoc']>;
    expect(fresh).not.toBe(doc);
    expect(fresh.getText('t').toString(undefined)).toBe('mine');
    elsewhere.getText('t').insert(0, 'alive', undefined, undefined);
    world.run();
    expect(world.serverText({ ...ROOM, docId: 'other' })).toBe('alive');
  });
});

describe('the loader of ywasm', () => {
  it('makes instances that do not share a memory', () => {
    const [one, two] = [createYwasm(), createYwasm()];
    expect(one.YDoc).not.toBe(two.YDoc);
    const doc = new one.YDoc({});
    const transaction = doc.beginTransaction(undefined);
    expect(() => doc.beginTransaction(undefined)).toThrow(WebAssembly.RuntimeError);
    expect(transaction).toBeDefined();
    expect(new two.YDoc({ guid: 'fine' }).guid).toBe('fine');
  });

  it('takes the glue as a function that a build has wrapped', async () => {
    const source = wrapYwasmGlue(glueText).replace('export default function', 'return function');
    const glue = new Function(source)() as YwasmGlue;
    const create = await loadYwasm({ glue, wasm: await WebAssembly.compile(wasm) });
    expect(new (create().YDoc)({ guid: 'wrapped' }).guid).toBe('wrapped');
  });
});
