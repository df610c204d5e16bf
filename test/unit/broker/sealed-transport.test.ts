import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, it } from '@jest/globals';
import { ServiceBroker } from 'moleculer';
import { createBrokerOptions } from '../../../lib/broker/options.ts';
import { PacketSealer } from '../../../lib/broker/sealed-transport.ts';
import { loadConfig } from '../../../lib/config.ts';
import { silentLogger, type Logger } from '../../../lib/log.ts';
import { waitFor } from '../../support/wait.ts';

const SECRET = 'a secret of a cluster, long enough';
const OTHER = 'another secret, as long as the one';
const TOKEN = 'a-session-token-that-nobody-reads';

describe('a sealed packet', () => {
  const data = Buffer.from(TOKEN);

  it('is opened by every process that has the secret, and shows nothing of what is in it', () => {
    const [here, there] = [new PacketSealer(SECRET), new PacketSealer(SECRET)];
    const sealed = here.seal(data, 'REQ');
    expect(there.open(sealed, 'REQ')).toEqual(data);
    expect(here.open(sealed, 'REQ')).toEqual(data);
    expect(sealed.includes('session')).toBe(false);
    expect(there.open(here.seal(new Uint8Array(), 'REQ'), 'REQ')).toEqual(Buffer.alloc(0));
  });

  it('is never the same twice', () => {
    const [here, there] = [new PacketSealer(SECRET), new PacketSealer(SECRET)];
    const all = [here, here, there].map((sealer) => sealer.seal(data, 'REQ').toString('hex'));
    expect(new Set(all).size).toBe(3);
  });

  it('is not opened by another secret, as another kind, or when one bit of it has changed', () => {
    const sealed = new PacketSealer(SECRET).seal(data, 'REQ');
    const reader = new PacketSealer(SECRET);
    expect(new PacketSealer(OTHER).open(sealed, 'REQ')).toBeUndefined();
    expect(reader.open(sealed, 'RES')).toBeUndefined();
    for (let at = 0; at < sealed.byteLength; at++) {
      const changed = Buffer.from(sealed);
      changed[at]! ^= 1;
      expect([at, reader.open(changed, 'REQ')]).toEqual([at, undefined]);
      expect(reader.open(sealed.subarray(0, at), 'REQ')).toBeUndefined();
    }
    expect(reader.open(data, 'REQ')).toBeUndefined();
  });
});

describe('nodes that seal what they say', () => {
  const brokers: ServiceBroker[] = [];
  const complaints: string[] = [];
  const logger: Logger = { ...silentLogger, warn: (_fields, message) => void complaints.push(message) };

  afterEach(async () => {
    await Promise.all(brokers.splice(0).map((broker) => broker.stop()));
    complaints.length = 0;
  });

  /** A node, and everything that it sends, as the transporter carries it. */
  async function start(
    namespace: string,
    nodeId: string,
    secret: string,
  ): Promise<[ServiceBroker, Buffer[]]> {
    const config = loadConfig(secret === '' ? {} : { YKAFKA_TRANSPORT_SECRET: secret });
    const sent: Buffer[] = [];
    const options = createBrokerOptions(config, nodeId, { logger });
    const spy = {
      name: 'Spy',
      transporterSend:
        (next: (...all: unknown[]) => unknown) => (topic: unknown, data: Buffer, meta: unknown) => {
          sent.push(Buffer.from(data));
          return next(topic, data, meta);
        },
    };
    const broker = new ServiceBroker({
      ...options,
      namespace,
      transporter: 'Fake',
      logger: false,
      // The first one is the last before the transporter.
      middlewares: [spy as never, ...options.middlewares!],
    });
    brokers.push(broker);
    broker.createService({
      name: `echo-${nodeId}`,
      actions: { say: (ctx: { params: { token: string } }) => ({ said: ctx.params.token }) },
    });
    await broker.start();
    return [broker, sent];
  }

  const world = () => `sealed-${randomBytes(4).toString('hex')}`;
  const isPlain = (sent: readonly Buffer[]) => sent.some((packet) => packet.includes(TOKEN));

  it('understand each other, and nobody else learns what they say', async () => {
    const namespace = world();
    const [[a, sentByA], [, sentByB]] = [
      await start(namespace, 'a', SECRET),
      await start(namespace, 'b', SECRET),
    ];
    await a.waitForServices('echo-b', 30_000, 20);
    expect(await a.call('echo-b.say', { token: TOKEN })).toEqual({ said: TOKEN });
    expect([sentByA.length > 2, sentByB.length > 2]).toEqual([true, true]);
    expect([isPlain(sentByA), isPlain(sentByB)]).toEqual([false, false]);
    expect(complaints).toEqual([]);
  });

  it('would be read otherwise', async () => {
    const namespace = world();
    const [[a, sentByA]] = [await start(namespace, 'a', ''), await start(namespace, 'b', '')];
    await a.waitForServices('echo-b', 30_000, 20);
    await a.call('echo-b.say', { token: TOKEN });
    expect(isPlain(sentByA)).toBe(true);
  });

  it.each([OTHER, ''])('are not there for one with the secret %j', async (secret) => {
    const namespace = world();
    const [a] = await start(namespace, 'a', SECRET);
    await start(namespace, 'b', secret);
    await waitFor(() => complaints.length > 0);
    expect(new Set(complaints)).toEqual(new Set(['message of another process cannot be opened']));
    expect(a.registry.nodes.list({ onlyAvailable: true }).map(({ id }: { id: string }) => id)).toEqual(['a']);
    await expect(a.call('echo-b.say', { token: TOKEN })).rejects.toMatchObject({
      type: 'SERVICE_UNAVAILABLE',
    });
  });
});
