import { readFileSync } from 'node:fs';
import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { ThinClient, type ThinDocument } from '../support/thin-client.mjs';
import type { TestServer } from '../support/embedded.ts';
import { waitFor } from '../support/wait.ts';

let server: TestServer;
const clients: ThinClient[] = [];
let rooms = 0;

function connect(): ThinClient {
  const client = new ThinClient(server.url, { reconnectionDelay: 20, reconnectionDelayMax: 100 });
  clients.push(client);
  return client;
}

const newAddress = () => ({ roomId: `room ${++rooms}/ä`, docId: 'doc' });
const textOf = ({ doc }: ThinDocument) => doc.getText('t').toString();
const insert = ({ doc }: ThinDocument, at: number, text: string) => doc.getText('t').insert(at, text);
const isSettled = (document: ThinDocument) => document.states.length > 0 && document.unacked.size === 0;

async function joined(client: ThinClient, address: { roomId: string; docId: string; subdocId?: string }) {
  const document = client.open(address);
  await waitFor(() => document.states.length === 1, { what: 'the state of a join' });
  return document;
}

/** What a client of another language finds, by docs/protocol.md alone. */
export function thinClient(start: () => Promise<TestServer>): void {
  describe('a client written from docs/protocol.md alone', () => {
    beforeAll(async () => {
      server = await start();
    });
    afterEach(() => clients.splice(0).forEach((client) => client.socket.disconnect()));

    it('is small and imports nothing of this project', () => {
      const source = readFileSync(new URL('../support/thin-client.mjs', import.meta.url), 'utf8');
      expect(source.split('\n').length).toBeLessThanOrEqual(250); // with the empty one behind the last line
      const imports = [...source.matchAll(/(?:from|import\()\s*'([^']+)'/g)].map(([, name]) => name);
      expect(imports.sort()).toEqual(['socket.io-client', 'yjs']);
    });

    it('sends, is acked at a position of the log, and receives', async () => {
      const address = newAddress();
      const [a, b] = [await joined(connect(), address), await joined(connect(), address)];
      insert(a, 0, 'hello');
      await waitFor(() => textOf(b) === 'hello');
      insert(b, 5, ' world');
      await waitFor(() => textOf(a) === 'hello world' && isSettled(a) && isSettled(b));
      expect(a.acked.map(([version]) => version)).toEqual([1]);
      expect(a.position).toEqual(b.position);
      expect(b.position).toEqual(b.acked.at(-1)![1]);
      expect([...a.nacks, ...b.nacks]).toEqual([]);
    });

    it('gives an update of several frames to others and to one who joins later', async () => {
      const address = newAddress();
      const [a, b] = [await joined(connect(), address), await joined(connect(), address)];
      const large = 'abcdefghij'.repeat(100_000);
      insert(a, 0, large);
      await waitFor(() => isSettled(a) && textOf(b).length === large.length);
      expect(textOf(b)).toBe(large);
      const late = await joined(connect(), address);
      expect(textOf(late)).toBe(large);
      expect(late.states[0]!.kind).toBe('full');
    });

    it('resumes after a broken connection with what came after its position, and sends what was made meanwhile', async () => {
      const address = newAddress();
      const [clientA, clientB] = [connect(), connect()];
      const [a, b] = [await joined(clientA, address), await joined(clientB, address)];
      insert(a, 0, `${'long enough that a delta is the smaller answer '.repeat(20)}|`);
      await waitFor(() => isSettled(a) && textOf(b) === textOf(a));
      clientA.socket.disconnect();
      insert(a, 0, 'made offline ');
      insert(b, 0, 'made meanwhile ');
      await waitFor(() => isSettled(b));
      expect(a.unacked.size).toBe(1);
      clientA.socket.connect();
      await waitFor(() => isSettled(a) && textOf(a) === textOf(b) && textOf(b).includes('offline'));
      expect(a.states.at(-1)).toMatchObject({ kind: 'delta' });
      expect(a.acked.map(([version]) => version)).toEqual([1, 2]);
      await waitFor(() => a.position!.offset === b.position!.offset);
    });

    it('has each update once, however often the connection breaks while it types', async () => {
      const address = newAddress();
      const client = connect();
      const [a, b] = [await joined(client, address), await joined(connect(), address)];
      for (let i = 0; i < 200; i++) {
        insert(a, textOf(a).length, `${i},`);
        if (i % 40 === 20) client.socket.io.engine.close();
        if (i % 10 === 0) await waitFor(() => client.socket.connected);
      }
      await waitFor(() => isSettled(a) && textOf(b) === textOf(a), { timeoutMs: 20_000 });
      expect(textOf(b)).toBe(Array.from({ length: 200 }, (_, i) => `${i},`).join(''));
      expect(a.acked.map(([version]) => version).sort((x, y) => x - y)).toEqual(
        Array.from({ length: 200 }, (_, i) => i + 1),
      );
    });

    it('repairs a gap on the open socket', async () => {
      const address = newAddress();
      const [a, b] = [await joined(connect(), address), await joined(connect(), address)];
      for (let i = 0; i < 5; i++) insert(b, 0, 'x');
      await waitFor(() => textOf(a) === 'xxxxx' && isSettled(b));
      // As if the last entries had never come.
      a.position = { ...a.position!, offset: a.position!.offset - 3 };
      insert(b, 0, 'y');
      await waitFor(() => a.states.length === 2 && a.position!.offset === b.position!.offset);
      expect(textOf(a)).toBe('yxxxxx');
    });

    it('gets nothing of a document or subdocument that it has not joined', async () => {
      const address = newAddress();
      const [parent, other, sub] = [
        address,
        { ...address, docId: 'other' },
        { ...address, subdocId: 'guid' },
      ];
      const clientA = connect();
      const frames: Uint8Array[] = [];
      clientA.socket.on('protocol-message', (frame: Uint8Array) => frames.push(frame));
      const a = await joined(clientA, parent);
      const before = frames.length;
      const clientB = connect();
      const [b, c] = [await joined(clientB, other), await joined(clientB, sub)];
      insert(b, 0, 'other');
      insert(c, 0, 'sub');
      await waitFor(() => isSettled(b) && isSettled(c));
      const d = await joined(clientB, parent);
      insert(d, 0, 'parent');
      await waitFor(() => textOf(a) === 'parent');
      expect(frames.length - before).toBe(1);
    });
  });
}
