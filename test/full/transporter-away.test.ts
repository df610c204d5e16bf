import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { ServiceBroker } from 'moleculer';
import { createBrokerOptions } from '../../lib/broker/options.ts';
import { prepareTransporterTopics } from '../../lib/stream/kafka.ts';
import { loadConfig } from '../../lib/config.ts';
import { silentLogger } from '../../lib/log.ts';
import { freePorts, startKafka, type RunningKafka } from '../../scripts/dev/kafka.ts';
import { HOST } from '../../scripts/dev/ports.ts';
import { ServiceProcess } from '../../scripts/lib/service-process.ts';
import { createDatabase } from '../support/cluster.ts';
import { Stopwatch } from '../support/stopwatch.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { waitFor } from '../support/wait.ts';

// Outages of a minute; every wait inside has a deadline of its own.
jest.setTimeout(900_000);

const AWAY_MS = 60_000;
const REQUEST_TIMEOUT_MS = 5_000;
/** On a busy machine; a call that had as much time for each of its attempts would take 15 s more. */
const LATE_MS = 8_000;
const namespace = `away-${randomBytes(4).toString('hex')}`;

let kafka: RunningKafka;
let proxy: TcpProxy;
let codec: ServiceProcess;
let caller: ServiceBroker;
const deaths: unknown[] = [];

/** A broker that one node reaches by a proxy for everything, and others without one. */
async function startProxied(proxyPort: number): Promise<{ running: RunningKafka; proxiedPort: number }> {
  const [port, controllerPort, proxiedPort] = (await freePorts(3)) as [number, number, number];
  const running = await startKafka({
    port,
    controllerPort,
    properties: {
      listeners: `PLAINTEXT://${HOST}:${port},PROXIED://${HOST}:${proxiedPort},CONTROLLER://${HOST}:${controllerPort}`,
      'advertised.listeners': `PLAINTEXT://${HOST}:${port},PROXIED://${HOST}:${proxyPort}`,
      'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT',
      'inter.broker.listener.name': 'PLAINTEXT',
    },
  });
  return { running, proxiedPort };
}

const describeDocument = () =>
  caller.call('codec.documents.describe', {
    document: { tenantId: 'default', roomId: 'r', docId: 'd' },
    epoch: 1,
    partition: 0,
  });

/** null is its answer: nothing is stored. */
const answers = async () => (await describeDocument().catch(() => 'away')) === null;
const readiness = async () => (await fetch(`${codec.internalUrl}/health/ready`)).status;

beforeAll(async () => {
  const [proxyPort] = (await freePorts(1)) as [number];
  const { running, proxiedPort } = await startProxied(proxyPort);
  kafka = running;
  proxy = await TcpProxy.open(proxyPort, proxiedPort);
  const { PATH = '', HOME = '' } = process.env;
  codec = new ServiceProcess({
    name: 'codec-1',
    services: ['codec'],
    env: {
      PATH,
      HOME,
      YKAFKA_MODE: 'cluster',
      KAFKA_BROKERS: `${HOST}:${proxyPort}`,
      DATABASE_URL: await createDatabase('away'),
      YKAFKA_NAMESPACE: namespace,
      YKAFKA_NODE_ID: 'codec-1',
    },
    onDeath: (_, state) => deaths.push({ ...state, lines: codec.lines.slice(-5) }),
  });
  codec.start();
  const config = loadConfig(
    {},
    {
      mode: 'cluster',
      kafkaBrokers: kafka.brokers,
      namespace,
      requestTimeoutMs: REQUEST_TIMEOUT_MS,
      logLevel: 'fatal',
    },
  );
  await prepareTransporterTopics({ config, nodeId: 'caller', logger: silentLogger });
  caller = new ServiceBroker(createBrokerOptions(config, 'caller'));
  await caller.start();
  await codec.waitUntilReady();
  await waitFor(answers, { timeoutMs: 120_000, what: 'the first answer' });
});

afterAll(async () => {
  await caller?.stop();
  await codec?.end('SIGKILL');
  await proxy?.close();
  await kafka?.stop();
});

/** The outage itself is the condition: nodes have to live through all of it. */
async function meanwhile(check: () => Promise<void>): Promise<void> {
  const over = new Promise((resolve) => setTimeout(resolve, AWAY_MS));
  await check();
  await over;
}

async function expectCallsToEnd(): Promise<void> {
  const took = new Stopwatch();
  const ends = await Promise.allSettled(Array.from({ length: 5 }, describeDocument));
  expect(took.stop()).toBeLessThan(REQUEST_TIMEOUT_MS + LATE_MS);
  for (const end of ends)
    expect(end).toMatchObject({
      status: 'rejected',
      reason: { type: 'SERVICE_UNAVAILABLE', retryable: true },
    });
}

describe('a node whose transporter is away for a minute', () => {
  it.each([
    ['cut off from Kafka by the network', () => proxy.silence(), () => proxy.heal()],
    ['while Kafka is down', () => kafka.kill('SIGKILL'), () => kafka.restart()],
  ])('hears again by itself: %s', async (_, begin, end) => {
    const pid = codec.pid;
    await begin();
    await meanwhile(async () => {
      await expectCallsToEnd();
      await waitFor(async () => (await readiness()) === 503, {
        timeoutMs: 30_000,
        what: 'it says that it cannot hear',
      });
    });
    await end();
    await waitFor(answers, { timeoutMs: 120_000, what: 'the node answers again' });
    await codec.waitUntilReady();
    expect(codec.pid).toBe(pid);
    expect(deaths).toEqual([]);
  });

  it('hears on when its connections are cut again and again', async () => {
    for (let n = 0; n < 10; n++) {
      proxy.cut();
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    await waitFor(answers, { timeoutMs: 120_000, what: 'the node answers again' });
    expect(deaths).toEqual([]);
  });
});
