import { afterEach, describe, expect, it } from '@jest/globals';
import * as Y from 'yjs';
import { ProtocolManager, type ManagerEvents } from '../../../lib/provider/index.ts';
import { waitFor } from '../../support/wait.ts';
import { cleanUp, onCleanUp, openLog, startGateway } from './harness.ts';
import { RawClient } from './raw-client.ts';

afterEach(cleanUp);

const PER_SECOND = 20;

async function setUp(clients: number) {
  const log = await openLog();
  const config = { drainClientsPerSecond: PER_SECOND, drainRetryMs: 40 };
  const leaving = await startGateway(log, { config });
  const staying = await startGateway(log);
  const managers = Array.from({ length: clients }, () => {
    const doc = new Y.Doc();
    const manager = new ProtocolManager({ url: [leaving.url, staying.url], roomId: 'room' });
    const events: [keyof ManagerEvents, unknown][] = [];
    for (const name of ['update-refused', 'connection-error', 'join-refused', 'document-replaced'] as const)
      manager.on(name, (event) => void events.push([name, event]));
    onCleanUp(async () => manager.destroy());
    manager.addDoc(doc, { docId: 'a' });
    return { manager, doc, events };
  });
  await waitFor(() => managers.every(({ manager }) => manager.documentState('a')?.isSynced));
  return { leaving, staying, managers };
}

describe('a drain', () => {
  it('moves the clients at its rate while they go on typing; nothing is lost and nobody sees an error', async () => {
    const { leaving, staying, managers } = await setUp(20);
    const left: number[] = [];
    for (const { manager } of managers)
      manager.on('status', ({ status }) => {
        if (status === 'disconnected') left.push(performance.now());
      });
    let typed = 0;
    const typing = setInterval(() => {
      const { doc } = managers[typed++ % managers.length]!;
      doc.getText('t').insert(0, 'x');
    }, 5);
    const beganAt = performance.now();
    try {
      await leaving.gateway.drain();
    } finally {
      clearInterval(typing);
    }
    expect(leaving.gateway.connections).toBe(0);
    await waitFor(() => left.length === managers.length, { what: 'all have heard of it' });
    // The first step is at once, the others at the rate; a busy machine may tell any of them late.
    expect(left.at(-1)! - beganAt).toBeGreaterThan((1000 * (managers.length - 4)) / PER_SECOND);
    await waitFor(() => managers.every(({ doc }) => doc.getText('t').length === typed), {
      what: 'everybody has everything that was typed',
    });
    await waitFor(() => staying.gateway.connections === 20);
    await waitFor(() => managers.every(({ manager }) => !manager.hasUnackedChanges));
    const permanent = managers
      .flatMap(({ events }) => events)
      .filter(([name, event]) => name !== 'connection-error' || (event as { permanent: boolean }).permanent);
    expect(permanent).toEqual([]);
  });

  it('refuses new connections with a typed transient error that says when to come again', async () => {
    const log = await openLog();
    const { url, gateway } = await startGateway(log, {
      config: { drainClientsPerSecond: 1, drainRetryMs: 70 },
    });
    const [ann] = [await RawClient.connect(url), await RawClient.connect(url)];
    const drained = gateway.drain();
    const late = new RawClient(url);
    const error = await new Promise<Error & { data?: unknown }>((resolve) =>
      late.socket.once('connect_error', resolve),
    );
    expect(error.data).toMatchObject({ code: 'SERVER_STOPPING', permanent: false, retryAfterMs: 70 });
    await drained;
    await waitFor(() => ann!.closeNotice !== undefined);
    expect(ann!.closeNotice).toMatchObject({ code: 'SERVER_STOPPING', permanent: false, retryAfterMs: 70 });
  });

  it('ends within its time limit however many clients there are', async () => {
    const log = await openLog();
    const config = { drainClientsPerSecond: 1, drainLimitMs: 300 };
    const { url, gateway } = await startGateway(log, { config });
    for (let i = 0; i < 8; i++) await RawClient.connect(url);
    const startedAt = performance.now();
    await gateway.drain();
    expect(gateway.connections).toBe(0);
    // At the rate it takes seven seconds.
    expect(performance.now() - startedAt).toBeLessThan(6_000);
  });
});
