import { afterAll, describe, expect, it } from '@jest/globals';
import * as Y from 'yjs';
import type { HistoryRow } from '../../lib/store/port.ts';
import { encodeClientEntries } from '../../lib/protocol/index.ts';
import { updatePayload } from '../support/bad-inputs.ts';
import { startEmbedded, stopServers } from '../support/embedded.ts';
import { RawClient } from '../support/raw-client.ts';
import { waitFor } from '../support/wait.ts';

const ADDRESS = { roomId: 'room', docId: 'doc' };
const TIMEOUT_MS = 60_000;
afterAll(stopServers);

function insert(text: string): Uint8Array {
  const doc = new Y.Doc();
  doc.getText('t').insert(0, text);
  return Y.encodeStateAsUpdate(doc);
}

describe('who brought an update', () => {
  it('is stored with it: the connection and its address, by the server’s word only; no client is told', async () => {
    const server = await startEmbedded({ trustedProxyHops: 1 });
    const ann = new RawClient(server.url, { 'x-forwarded-for': '203.0.113.9, 198.51.100.7' });
    await waitFor(() => ann.socket.connected);
    const bob = await RawClient.connect(server.url);
    await ann.join(ADDRESS);
    await bob.join(ADDRESS);
    const forged = { connectionId: 'forged', clientAddress: '192.0.2.66' };
    const envelopes = [1, 2].map((version) =>
      ann.envelope(ADDRESS, updatePayload(insert(`ann ${version}`)), { ...forged, version }),
    );
    ann.send(encodeClientEntries(envelopes));
    bob.send(bob.frameOf(ADDRESS, updatePayload(insert('bob')), { version: 1 }));

    const store = await server.runtime.store();
    const rows: HistoryRow[] = [];
    await waitFor(
      async () => {
        rows.length = 0;
        for await (const row of store.exportHistory({ tenantId: 'default', ...ADDRESS })) rows.push(row);
        return rows.length === 3;
      },
      { timeoutMs: TIMEOUT_MS, what: 'all are stored' },
    );
    const of = (client: RawClient) => rows.filter(({ senderId }) => senderId === client.senderId);
    expect(of(ann).map(({ clientAddress }) => clientAddress)).toEqual(['198.51.100.7', '198.51.100.7']);
    expect(of(bob).map(({ clientAddress }) => clientAddress)).toEqual(['127.0.0.1']);
    const ids = new Set(rows.map(({ connectionId }) => connectionId));
    expect(ids.size).toBe(2);
    expect(ids).not.toContain('forged');
    expect(of(ann)[0]!.connectionId).toMatch(/^\S{16,}$/);
    for (const { metadata } of rows) expect(metadata).not.toHaveProperty('connectionId');

    // It may be stored before it has come to everybody.
    const hasCome = (client: RawClient, senderId: string) =>
      client.frames.some((frame) => Buffer.from(frame).toString('latin1').includes(senderId));
    await waitFor(() => hasCome(ann, bob.senderId) && hasCome(bob, ann.senderId));
    const received = [...ann.frames, ...bob.frames].map((frame) => Buffer.from(frame).toString('latin1'));
    for (const secret of [...ids, '198.51.100.7', '127.0.0.1', '192.0.2.66'])
      expect(received.filter((frame) => frame.includes(secret!))).toEqual([]);
    for (const client of [ann, bob]) client.socket.disconnect();
  });
});
