import { afterEach, describe, expect, it } from '@jest/globals';
import * as Y from 'yjs';
import { systemClock, type Clock } from '../../../lib/clock.ts';
import { createAccessControl } from '../../../lib/gateway/access-control.ts';
import { createIdentify } from '../../../lib/gateway/identify.ts';
import type { AccessControl } from '../../../lib/gateway/port.ts';
import { RoomRoles } from '../../../lib/gateway/room-roles.ts';
import { AppError } from '../../../lib/errors.ts';
import { silentLogger } from '../../../lib/log.ts';
import { ProtocolManager, type ConnectionErrorEvent } from '../../../lib/provider/index.ts';
import type { CloseNotice, RenewAnswer } from '../../../lib/protocol/index.ts';
import { waitFor } from '../../support/wait.ts';
import { cleanUp, onCleanUp, openLog, startGateway, type TestLog } from './harness.ts';
import { RawClient } from './raw-client.ts';
import { announce } from './rights-world.ts';
import { SteeredClock } from './steered-clock.ts';

afterEach(cleanUp);

/** Tokens say who and for how long: `ada 300`; `away` cannot be checked now. */
function accessByTokens(clock: Clock): AccessControl {
  const config = { auth: 'jwt', tenant: 'default' } as const;
  const identify = createIdentify({
    config,
    clock,
    logger: silentLogger,
    verify: async (token) => {
      const [, userId, lifeMs, role = 'editor'] = /^(\w+) (\d+) ?(\w+)?$/.exec(String(token)) ?? [];
      if (token === 'away') throw new AppError('SERVICE_UNAVAILABLE');
      if (!userId) throw new AppError('UNAUTHENTICATED');
      const rooms = { room: role as 'editor' };
      return { kind: 'user', userId, rooms, expiresAtMs: clock.wallTime() + Number(lifeMs) };
    },
  });
  return createAccessControl(config, identify);
}

/** Each token is that of a service, by its id. */
async function startForServices(log: TestLog, revokedTokens: () => Promise<string[]>) {
  const control = createAccessControl({ auth: 'accounts', tenant: 'default' }, async (auth) => {
    const { token: sessionId } = auth as { token: string };
    const rooms = { room: 'editor' as const };
    return {
      ok: true,
      identity: { userId: 'exporter', tenantId: 'default', sessionId, rooms },
    };
  });
  const roles = new RoomRoles({ clock: systemClock, ttlMs: 300_000, lookUp: async () => undefined });
  const started = await startGateway(log, { access: control, roles, revokedTokens });
  await waitFor(() => started.gateway.hearsOfRights);
  return started;
}

const start = async (clock: Clock = systemClock) =>
  startGateway(await openLog(), { access: accessByTokens(clock), clock });

function connect(url: string, token?: string) {
  const client = new RawClient(url, { auth: token === undefined ? {} : { token } });
  const errors: Error[] = [];
  const closes: CloseNotice[] = [];
  const asked: number[] = [];
  client.socket.on('connect_error', (error) => void errors.push(error));
  client.socket.on('protocol-close', (notice: CloseNotice) => void closes.push(notice));
  client.socket.on('auth-renew', ({ expiresInMs }: { expiresInMs: number }) => void asked.push(expiresInMs));
  const renew = (next: unknown) =>
    client.socket.timeout(20_000).emitWithAck('auth-renew', next) as Promise<RenewAnswer>;
  return { client, errors, closes, asked, renew };
}

describe('the token of a connection', () => {
  it.each([
    [undefined, 'UNAUTHENTICATED', true],
    ['nonsense', 'UNAUTHENTICATED', true],
    ['ada 0', 'UNAUTHENTICATED', true],
    ['away', 'UNAVAILABLE', false],
  ])('%s is refused before anything else happens', async (token, code, permanent) => {
    const { url } = await start();
    const { errors } = connect(url, token);
    expect(await waitFor(() => errors[0])).toMatchObject({ data: { code, permanent } });
  });

  it('opens the rooms that it names, and no others', async () => {
    const { url } = await start();
    const { client } = connect(url, 'ada 60000 viewer');
    await waitFor(() => client.socket.connected);
    expect(await client.tryJoin({ roomId: 'room', docId: 'a' })).toMatchObject({ ok: true, readOnly: true });
    expect(await client.tryJoin({ roomId: 'other', docId: 'a' })).toMatchObject({
      code: 'PERMISSION_DENIED',
    });
  });

  it('that ends ends the connection, after the client was asked for a new one', async () => {
    const clock = new SteeredClock();
    const { url } = await start(clock);
    const { client, asked, closes } = connect(url, 'ada 4000');
    await waitFor(() => client.socket.connected);
    clock.advance(2_999);
    await client.answered();
    expect(asked).toEqual([]);
    clock.advance(1);
    await client.answered();
    expect(asked).toEqual([1_000]);
    clock.advance(1_000);
    expect(await waitFor(() => closes[0])).toMatchObject({ code: 'UNAUTHENTICATED', permanent: true });
    await waitFor(() => !client.socket.connected);
  });

  it('is followed by another one of the same person with the same rights', async () => {
    const clock = new SteeredClock();
    const { url } = await start(clock);
    const { client, closes, renew } = connect(url, 'ada 3000');
    await waitFor(() => client.socket.connected);
    expect(await renew({ token: 'bob 60000' })).toMatchObject({ ok: false, code: 'UNAUTHENTICATED' });
    expect(await renew({ token: 'ada 60000 viewer' })).toMatchObject({ ok: false, code: 'UNAUTHENTICATED' });
    expect(await renew({ token: 'nonsense' })).toMatchObject({ ok: false, code: 'UNAUTHENTICATED' });
    expect(await renew({ token: 'away' })).toMatchObject({
      ok: false,
      code: 'UNAVAILABLE',
      permanent: false,
    });
    expect(await renew('?')).toMatchObject({ ok: false });
    expect(await renew({ token: 'ada 4500' })).toMatchObject({ ok: true });
    clock.advance(4_499);
    await client.answered();
    expect(closes).toEqual([]);
    clock.advance(1);
    await waitFor(() => closes[0]);
  });

  it('is renewed by the provider on the open connection', async () => {
    const clock = new SteeredClock();
    const { url } = await start(clock);
    const given: string[] = [];
    const errors: ConnectionErrorEvent[] = [];
    const statuses: string[] = [];
    const manager = new ProtocolManager({
      url,
      roomId: 'room',
      getToken: () => {
        // The second one cannot be had at once.
        if (given.push('asked') === 2) throw new Error('away');
        return `ada ${given.length === 1 ? 6_000 : 60_000}`;
      },
    });
    onCleanUp(async () => manager.destroy());
    manager.connection.on('connection-error', (error) => void errors.push(error));
    manager.connection.on('status', ({ status }) => void statuses.push(status));
    const doc = new Y.Doc();
    manager.addDoc(doc, { docId: 'a' });
    await waitFor(() => manager.documentState('a')?.isSynced);
    clock.advance(4_500);
    await waitFor(() => given.length === 3);
    // What comes behind the new token is answered behind it.
    doc.getText('t').insert(0, 'goes on, ');
    await waitFor(() => !manager.hasUnackedChanges);
    clock.advance(20_000);
    doc.getText('t').insert(0, 'still there');
    await waitFor(() => !manager.hasUnackedChanges);
    expect([statuses, errors]).toEqual([['connecting', 'connected'], []]);
  });
});

describe('a service token that was revoked', () => {
  const refused = { code: 'UNAUTHENTICATED', permanent: true };

  it('closes its connections at every gateway; nobody connects by it, or renews', async () => {
    const log = await openLog();
    const gateways = [
      await startForServices(log, async () => []),
      await startForServices(log, async () => []),
    ];
    const bad = gateways.map(({ url }) => connect(url, 'one'));
    const good = connect(gateways[0]!.url, 'other');
    await waitFor(() => [...bad, good].every(({ client }) => client.socket.connected));
    await announce(log, { sessionId: 'one' });
    for (const { closes } of bad) expect(await waitFor(() => closes[0])).toMatchObject(refused);
    const again = connect(gateways[1]!.url, 'one');
    expect(await waitFor(() => again.errors[0])).toMatchObject({ data: refused });
    expect(await good.renew({ token: 'one' })).toMatchObject({ ok: false, ...refused });
    expect(await good.renew({ token: 'third' })).toMatchObject({ ok: true });
    expect(good.client.socket.connected).toBe(true);
    // From now on the connection is by the third one.
    await announce(log, { sessionId: 'other' });
    await announce(log, { sessionId: 'third' });
    expect(await waitFor(() => good.closes[0])).toMatchObject(refused);
    expect(good.closes).toHaveLength(1);
  });

  it('is known to a gateway that starts later; while nobody can tell it, services wait', async () => {
    const log = await openLog();
    let isAway = true;
    const { url } = await startForServices(log, async () => {
      if (isAway) throw new AppError('SERVICE_UNAVAILABLE');
      return ['one'];
    });
    const early = connect(url, 'other');
    expect(await waitFor(() => early.errors[0])).toMatchObject({
      data: { code: 'UNAVAILABLE', permanent: false },
    });
    isAway = false;
    const bad = connect(url, 'one');
    expect(await waitFor(() => bad.errors[0])).toMatchObject({ data: refused });
    const good = connect(url, 'other');
    await waitFor(() => good.client.socket.connected);
  });
});

describe('a handshake', () => {
  it('that is not finished in time ends', async () => {
    const { url } = await startGateway(await openLog(), { config: { handshakeTimeoutMs: 300 } });
    const socket = new WebSocket(`${url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`);
    const closed = new Promise<void>((resolve) => socket.addEventListener('close', () => resolve()));
    const opened = await new Promise<number>((resolve) =>
      socket.addEventListener('message', () => resolve(Date.now())),
    );
    await closed;
    // Of itself it has five seconds.
    expect(Date.now() - opened).toBeLessThan(4_500);
  });
});
