import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { askAs, upgradeAs } from '../support/asked-as.ts';
import { startEmbedded, stopServers, type TestServer } from '../support/embedded.ts';
import { waitFor } from '../support/wait.ts';
import { cleanUp } from '../unit/gateway/harness.ts';
import { RawClient } from '../unit/gateway/raw-client.ts';
import { parseExposition } from '../unit/metrics/exposition.ts';

let server: TestServer;

beforeAll(async () => {
  server = await startEmbedded();
});
afterEach(cleanUp);
afterAll(stopServers);

const A = { roomId: 'room', docId: 'a' };

describe('gateway service', () => {
  it('says that nobody signs in here when everybody may come in', async () => {
    const answer = await fetch(`${server.url}/api/auth/providers`);
    expect(await answer.json()).toEqual({ auth: 'none', rows: [] });
    expect((await fetch(`${server.url}/api/auth/local`)).status).toBe(404);
  });

  it('two sockets edit through log and store', async () => {
    const [ann, bob] = [await RawClient.connect(server.url), await RawClient.connect(server.url)];
    await ann.join(A);
    await bob.join(A);
    ann.type(A, 'hello');
    await waitFor(() => bob.text(A) === 'hello');
    await waitFor(() => ann.isAcked(A, 1));
  });

  it('lists its rooms and counts its connections', async () => {
    const ann = await RawClient.connect(server.url);
    await ann.join({ roomId: 'listed', docId: 'd', subdocId: 's' });
    const rooms = await server.broker.call('gateway.rooms.list', {});
    expect(rooms).toContainEqual({
      tenantId: 'default',
      roomId: 'listed',
      documents: [{ docId: 'd', subdocId: 's', subscriptions: 1 }],
    });
    await waitFor(async () => {
      const { connections } = await server.broker.call<{ connections: number }, object>(
        'gateway.connections.count',
        {},
      );
      return connections === 1;
    });
    await expect(server.broker.call('gateway.rooms.list', { limit: 10, other: 1 })).rejects.toMatchObject({
      code: 422,
    });
  });

  it('says over HTTP how it is', async () => {
    const response = await waitFor(
      async () => {
        const answer = await fetch(`${server.url}/health/ready`);
        return answer.status === 200 ? answer : undefined;
      },
      { what: 'it is ready' },
    );
    expect(await response.json()).toMatchObject({
      status: 'ok',
      db: 'ok',
      kafka: 'ok',
      connections: expect.any(Number),
      rooms: expect.any(Number),
      parts: { gateway: { ready: true } },
    });
    expect((await fetch(`${server.url}/health`)).status).toBe(200);
    expect((await fetch(`${server.url}/nothing/here`)).status).toBe(404);
    expect((await fetch(`${server.url}/..%2f..%2fpackage.json`)).status).not.toBe(200);
  });

  it('shows its metrics over HTTP', async () => {
    const response = await fetch(`${server.url}/metrics`);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toContain('text/plain');
    const { samples } = parseExposition(await response.text());
    expect(samples).toContainEqual({ name: 'ykafka_ready', labels: {}, value: 1 });
  });

  it('tells its address', async () => {
    expect(await server.broker.call('gateway.addresses.get', {})).toEqual({ url: server.url });
    expect(server.broker.metadata.gatewayUrl).toBe(server.url);
  });

  it('a page of another origin is refused, also one whose name points here, also by WebSocket', async () => {
    const { port } = new URL(server.url);
    const from = async (headers: Record<string, string>) => {
      const polling = await askAs(server.url, '/socket.io/?EIO=4&transport=polling', { headers });
      const page = await askAs(server.url, '/', { headers });
      return [page.status, polling.status, (await upgradeAs(server.url, headers)).status];
    };
    expect(await from({ origin: server.url })).toEqual([200, 200, 101]);
    expect(await from({ origin: 'http://evil.example' })).toEqual([403, 403, 403]);
    const host = `evil.example:${port}`;
    expect(await from({ origin: `http://${host}`, host })).toEqual([403, 403, 403]);
    expect(await from({ host })).toEqual([403, 403, 403]);
  });

  it('tells its clients when it stops', async () => {
    const other = await startEmbedded();
    const ann = await RawClient.connect(other.url);
    await ann.join(A);
    await other.stop();
    await waitFor(() => ann.closeNotice !== undefined && !ann.socket.connected);
    expect(ann.closeNotice).toMatchObject({ code: 'SERVER_STOPPING', permanent: false });
  });
});
