import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { ServiceProcess } from '../../scripts/lib/service-process.ts';
import { waitFor } from '../support/wait.ts';

// Processes start; every wait inside has a deadline of its own.
jest.setTimeout(600_000);

const BUSY_MS = 180_000;
const running: ServiceProcess[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((process) => process.end('SIGKILL')));
});

const namespace = `runner-${randomBytes(4).toString('hex')}`;

function start(name: string, env: Record<string, string>) {
  const { PATH = '', HOME = '', KAFKA_BROKERS = '', DATABASE_URL = '' } = process.env;
  const exits: (number | null)[] = [];
  const made = new ServiceProcess({
    name,
    services: ['codec'],
    env: {
      PATH,
      HOME,
      KAFKA_BROKERS,
      DATABASE_URL,
      YKAFKA_NAMESPACE: namespace,
      YKAFKA_NODE_ID: name,
      YKAFKA_TOPIC_PATTERN: `${namespace}-{channel}`,
      PARTITIONS: '1',
      ...env,
    },
    onDeath: (_, { code }) => exits.push(code),
  });
  running.push(made);
  made.start();
  return Object.assign(made, { exits });
}

async function knownNodes(process: ServiceProcess): Promise<number> {
  const { parts } = await process.waitUntilReady(BUSY_MS);
  return (parts as { transporter: { nodes: number } }).transporter.nodes;
}

describe('variables that moleculer-runner would put over the configuration', () => {
  it('do not split the cluster where a pod has them for something else', async () => {
    const [plain, other] = [
      start('codec-1', {}),
      start('codec-2', { NAMESPACE: 'production', METRICS: 'true', TRANSPORTER_OPTIONS_CLIENTID: 'x' }),
    ];
    for (const process of [plain, other])
      await waitFor(async () => (await knownNodes(process)) === 2, {
        timeoutMs: BUSY_MS,
        what: `${process.name} knows the other one`,
      });
    const said = other.lines.find((line) => line.includes('by names of Moleculer'));
    expect((JSON.parse(said!) as { withheld: string[] }).withheld.sort()).toEqual([
      'METRICS',
      'NAMESPACE',
      'TRANSPORTER_OPTIONS_CLIENTID',
    ]);
  });

  it('are refused, all at once, where they can only be meant for Moleculer', async () => {
    const { exits, lines } = start('codec-3', { NODEID: 'codec-1', SERIALIZER: 'JSON', MOL_TRACING: 'true' });
    await waitFor(() => exits.length > 0, { timeoutMs: BUSY_MS });
    expect(exits).toEqual([1]);
    const said = lines.join('\n');
    for (const name of ['NODEID', 'YKAFKA_NODE_ID', 'SERIALIZER', 'MOL_TRACING'])
      expect(said).toContain(name);
    expect(said).not.toMatch(/^\s+at /m);
  });
});
