import { afterAll, describe, expect, it } from '@jest/globals';
import * as Y from 'yjs';
import { ProtocolManager } from '../../lib/provider/index.ts';
import { updatePayload } from '../support/bad-inputs.ts';
import { startEmbedded, stopServers } from '../support/embedded.ts';
import { hex } from '../support/hex.ts';
import { RawClient } from '../support/raw-client.ts';
import { waitFor } from '../support/wait.ts';

/** Yjs decodes them, and throws when it applies them to the document below. Found by mutation. */
const POISON = [
  '01030512c60500050104626f6c64046e756c6cc505ffffffffffffff0f0501077b2269223a317dc60513050104626f6c64047472756500',
  '0101050d2001016d016b006601016175027d0177017800',
  '01010501617502ffff7f01770178000d2801016d016b01760101617502ffff7f0177017800',
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
    const server = await startEmbedded({ snapshotUpdates: 5 });
    const failures: unknown[] = [];
    const open = () => {
      const manager = new ProtocolManager({ url: server.url, roomId: ADDRESS.roomId });
      const doc = new Y.Doc();
      manager.on('update-failed', (event) => failures.push(event));
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
    POISON.forEach((update, index) =>
      attacker.send(attacker.frameOf(ADDRESS, updatePayload(update), { version: index + 1 })),
    );
    await waitFor(() => failures.length >= 2, { timeoutMs: TIMEOUT_MS, what: 'both say that they failed' });
    expect(attacker.nacks).toEqual([]);

    const people = [author, reader, open()];
    const isSynced = () => people.every(({ manager }) => manager.documentState('doc')?.isSynced);
    await waitFor(isSynced, { timeoutMs: TIMEOUT_MS, what: 'all are in step again' });
    people.forEach(({ doc }, index) => doc.getText('t').insert(0, `person ${index} goes on. `));
    const isEqual = () =>
      people.every(({ manager, doc }) => !manager.hasUnackedChanges && shown(doc) === shown(author.doc)) &&
      [0, 1, 2].every((index) => author.doc.getText('t').toString().includes(`person ${index} goes on.`));
    await waitFor(isEqual, { timeoutMs: TIMEOUT_MS, what: 'all are equal' });

    // The persister's fold has found them: quarantined, and in no join's way any more.
    const store = await server.runtime.store();
    await waitFor(async () => (await store.countQuarantined()) > 0, { timeoutMs: TIMEOUT_MS });
    const quarantined = await store.listQuarantined({ limit: 10 });
    expect(new Set(quarantined.map(({ reason }) => reason))).toEqual(new Set(['inapplicable']));
    const newcomer = open();
    await waitFor(() => shown(newcomer.doc) === shown(author.doc), { timeoutMs: TIMEOUT_MS });
    attacker.socket.disconnect();
    for (const { manager } of [...people, newcomer]) manager.destroy();
  });
});
