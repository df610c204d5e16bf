import { afterEach, describe, expect, it } from '@jest/globals';
import type { Socket as NetSocket } from 'node:net';
import { waitFor } from '../../support/wait.ts';
import { cleanUp, openLog, startGateway } from './harness.ts';
import { RawClient } from './raw-client.ts';

afterEach(cleanUp);

const A = { roomId: 'room', docId: 'a' };
const B = { roomId: 'room', docId: 'b' };

/** The connection under a client: paused, it reads nothing more. */
function networkOf(client: RawClient): NetSocket {
  const { transport } = client.socket.io.engine as unknown as { transport: { ws: { _socket: NetSocket } } };
  return transport.ws._socket;
}

describe('a connection that does not keep up', () => {
  it('loses nothing: its document is served by resume when it reads again; others notice nothing', async () => {
    const { url, gateway } = await startGateway(await openLog(), {
      config: {
        maxQueueBytes: 1024 * 1024,
        ringBytes: 64 * 1024,
        inlineCheckBytes: 1024 * 1024,
        pingTimeoutMs: 60_000,
      },
    });
    const [ann, bob, slow] = [
      await RawClient.connect(url),
      await RawClient.connect(url),
      await RawClient.connect(url),
    ];
    for (const client of [ann, bob, slow]) await client.join(A);
    await slow.join(B);
    networkOf(slow).pause();
    const lastOf = (client: RawClient) => String(client.doc(A).getMap('m').get('k')).split(' ')[0];
    // More than the kernel's buffers of both ends take.
    const blocks = 200;
    for (let i = 1; i <= blocks; i++) {
      const value = `${i} ${'x'.repeat(100_000)}`;
      ann.send(
        A,
        ann.change(A, (doc) => void doc.getMap('m').set('k', value)),
      );
      // Not more than one that reads has room for.
      if (i % 5 === 0)
        await waitFor(() => ann.isAcked(A, i) && lastOf(bob) === String(i), { timeoutMs: 20_000 });
    }
    await waitFor(() => lastOf(bob) === String(blocks), { timeoutMs: 20_000 });
    expect(gateway.connections).toBe(3);
    networkOf(slow).resume();
    await waitFor(() => lastOf(slow) === String(blocks), { timeoutMs: 20_000 });
    expect(slow.states(A).filter(({ join }) => join === 0).length).toBeGreaterThan(0);
    ann.type(A, '!');
    await waitFor(() => slow.text(A) === '!');
    expect(slow.closeNotice).toBeUndefined();
    expect(bob.states(A)).toHaveLength(1);
  });
});
