import { afterAll, describe, expect, it } from '@jest/globals';
import * as Y from 'yjs';
import { documentKey, type DocumentId } from '../../lib/protocol/index.ts';
import { ProtocolManager } from '../../lib/provider/index.ts';
import { updatePayload } from '../support/bad-inputs.ts';
import { sameClocks } from '../support/crdt-samples.ts';
import { startEmbedded, stopServers } from '../support/embedded.ts';
import { hex } from '../support/hex.ts';
import { RawClient } from '../support/raw-client.ts';
import { waitFor } from '../support/wait.ts';

/** Yjs decodes them, and throws when it applies them to the document below. Found by mutation. */
const POISON = [
  '01030512c60500050104626f6c64046e756c6cc505ffffffffffffff0f0501077b2269223a317dc60513050104626f6c64047472756500',
  '0101050d2001016d016b006601016175027d0177017800',
  '01010501617502ffff7f01770178000d2801016d016b01760101617502ffff7f0177017800',
  // Yjs keeps a part of these.
  '01020980002701016d016a0128000910017a0175017d0100',
  '00020901000205037900020b021203',
  '01030900c8050e0510017d05c7090b0510020400090c0373756200',
].map(hex);

const ADDRESS = { roomId: 'room', docId: 'doc' };
const TIMEOUT_MS = 60_000;

/** The document that the poison was made for. */
function write(doc: Y.Doc): void {
  doc.getText('t').insert(0, 'hello world');
  doc.getText('t').format(0, 4, { bold: true });
  doc.getMap('m').set('k', { a: [1, 'x'] });
  doc.getArray('a').push([new Y.Map([['q', 1]]), 2, 'z']);
  doc.getText('t').delete(2, 3);
  doc.getText('t').insertEmbed(1, { i: 1 });
}

const shown = (doc: Y.Doc) =>
  JSON.stringify([doc.getText('t').toDelta(), doc.getMap('m').toJSON(), doc.getArray('a').toJSON()]);

afterAll(stopServers);

describe('updates that Yjs decodes and cannot apply', () => {
  it('are survived by everybody: all end equal, go on editing, and a newcomer sees the same', async () => {
    const server = await startEmbedded({ snapshotUpdates: 5, snapshotBurstMs: 0 });
    const failures: unknown[] = [];
    const replaced: unknown[] = [];
    const open = () => {
      const manager = new ProtocolManager({ url: server.url, roomId: ADDRESS.roomId });
      const doc = new Y.Doc();
      manager.on('update-failed', (event) => failures.push(event));
      manager.on('document-trapped', (event) => replaced.push(event));
      manager.addDoc(doc, { docId: ADDRESS.docId });
      return { manager, doc };
    };
    const author = open();
    author.doc.clientID = 5;
    write(author.doc);
    const reader = open();
    await waitFor(() => shown(reader.doc) === shown(author.doc) && !author.manager.hasUnackedChanges, {
      timeoutMs: TIMEOUT_MS,
    });
    for (const update of POISON) {
      Y.decodeUpdate(update);
      const copy = new Y.Doc();
      Y.applyUpdate(copy, Y.encodeStateAsUpdate(author.doc));
      expect(() => Y.applyUpdate(copy, update)).toThrow();
    }

    const attacker = await RawClient.connect(server.url);
    await attacker.join(ADDRESS);
    const frames = POISON.map((update, index) => ({ payload: updatePayload(update), version: index + 1 }));
    for (const { payload, version } of frames) attacker.send(attacker.frameOf(ADDRESS, payload, { version }));
    await waitFor(() => attacker.nacks.length === POISON.length, { what: 'the door refuses them' });
    expect(new Set(attacker.nacks.map(({ code }) => code))).toEqual(new Set(['BAD_UPDATE']));
    // In the log all the same: appended by a gateway that has let them in.
    const document = { tenantId: 'default', ...ADDRESS };
    const { topics } = server.runtime;
    const stream = await server.runtime.stream();
    const records = frames.map(({ payload, version }) => ({
      key: documentKey(document),
      value: attacker.envelope(ADDRESS, payload, { version, generation: 1 }),
      headers: { s: attacker.senderId, c: String(version), g: '1', t: '0' },
    }));
    await stream.append(topics.target('doc', document), records);
    await waitFor(() => failures.length >= 2, { timeoutMs: TIMEOUT_MS, what: 'both say that they failed' });

    const people = [author, reader, open()];
    const isSynced = () => people.every(({ manager }) => manager.documentState('doc')?.isSynced);
    await waitFor(isSynced, { timeoutMs: TIMEOUT_MS, what: 'all are in step again' });
    people.forEach(({ doc }, index) => doc.getText('t').insert(0, `person ${index} goes on. `));
    const isEqual = () =>
      people.every(({ manager, doc }) => !manager.hasUnackedChanges && shown(doc) === shown(author.doc)) &&
      [0, 1, 2].every((index) => author.doc.getText('t').toString().includes(`person ${index} goes on.`));
    await waitFor(isEqual, { timeoutMs: TIMEOUT_MS, what: 'all are equal' });

    // Nobody's editor lost the document that it is bound to.
    expect(replaced).toEqual([]);

    // The persister has found them: quarantined, and in no join's way any more.
    const store = await server.runtime.store();
    await waitFor(async () => (await store.countQuarantined()) > 0, { timeoutMs: TIMEOUT_MS });
    const quarantined = await store.listQuarantined({ limit: 10 });
    expect(new Set(quarantined.map(({ reason }) => reason))).toEqual(new Set(['BAD_UPDATE']));
    const newcomer = open();
    await waitFor(() => shown(newcomer.doc) === shown(author.doc), { timeoutMs: TIMEOUT_MS });
    attacker.socket.disconnect();
    for (const { manager } of [...people, newcomer]) manager.destroy();
  });

  it('that only the document can tell from good ones is acked, stored, and set aside by the fold; a fresh join gets the rest', async () => {
    const server = await startEmbedded({ snapshotUpdates: 2, snapshotBurstMs: 0 });
    const document: DocumentId = { tenantId: 'default', ...ADDRESS };
    const target = server.runtime.topics.target('doc', document);
    const { honest, poison } = sameClocks();
    const attacker = await RawClient.connect(server.url);
    await attacker.join(ADDRESS);
    for (const [index, update] of [honest, poison].entries())
      attacker.send(attacker.frameOf(ADDRESS, updatePayload(update), { version: index + 1 }));
    const stream = await server.runtime.stream();
    await waitFor(async () => (await stream.endOffset(target)) === 2, { what: 'both are in the log' });
    expect(attacker.nacks).toEqual([]);

    const open = () => {
      const manager = new ProtocolManager({ url: server.url, roomId: ADDRESS.roomId });
      const doc = new Y.Doc();
      manager.addDoc(doc, { docId: ADDRESS.docId });
      return { manager, doc };
    };
    const author = open();
    for (const word of ['the ', 'rest ', 'is ', 'all ', 'there'])
      author.doc.getText('t').insert(author.doc.getText('t').length, word);
    await waitFor(() => !author.manager.hasUnackedChanges, { timeoutMs: TIMEOUT_MS });
    const store = await server.runtime.store();
    const { partition } = target;
    const load = () => store.load({ document, epoch: 1, partition });
    await waitFor(async () => (await store.countQuarantined()) > 0, { timeoutMs: TIMEOUT_MS });
    expect(await store.listQuarantined({ limit: 10 })).toMatchObject([
      { epoch: 1, partition, offset: 1, reason: 'inapplicable', documentKey: documentKey(document) },
    ]);
    // The row stays in the history, and no load gives it any more.
    const offsets: number[] = [];
    for await (const row of store.exportHistory(document)) offsets.push(row.offset);
    expect(offsets.slice(0, 2)).toEqual([0, 1]);
    const { snapshot } = await waitFor(async () => {
      const found = await load();
      return found.snapshot && found;
    });
    const stored = new Y.Doc();
    Y.applyUpdate(stored, snapshot!.data);
    expect((await load()).updates.map(({ offset }) => offset)).not.toContain(1);

    const newcomer = open();
    await waitFor(() => newcomer.doc.getText('t').toString() === 'the rest is all there', {
      timeoutMs: TIMEOUT_MS,
      what: 'the newcomer sees the rest',
    });
    expect(newcomer.doc.getArray('collected').toJSON()).toEqual([]);
    expect(stored.getText('t').toString()).not.toMatch(/poi|son/);
    expect(author.doc.getText('t').toString()).toBe('the rest is all there');
    attacker.socket.disconnect();
    for (const { manager } of [author, newcomer]) manager.destroy();
  });
});
