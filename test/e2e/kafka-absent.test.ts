import { expect, it } from '@jest/globals';
import { freePorts } from '../../scripts/dev/ports.ts';
import { ServiceProcess } from '../../scripts/lib/service-process.ts';
import { waitFor } from '../support/wait.ts';

it('a process that starts while Kafka is away waits for it and answers probes, instead of ending in silence', async () => {
  const [port] = await freePorts(1);
  const { PATH = '', HOME = '' } = process.env;
  const deaths: unknown[] = [];
  const gateway = new ServiceProcess({
    name: 'gateway-1',
    services: ['gateway'],
    env: {
      PATH,
      HOME,
      YKAFKA_MODE: 'cluster',
      YKAFKA_NODE_ID: 'gateway-1',
      KAFKA_BROKERS: `127.0.0.1:${port}`,
      PORT: '0',
    },
    onDeath: (_name, state) => deaths.push(state),
  });
  gateway.start();
  try {
    const url = await waitFor(() => deaths[0] ?? gateway.internalUrl, {
      timeoutMs: 60_000,
      what: `the listener opens: ${gateway.lines.join('\n')}`,
    });
    expect(deaths).toEqual([]);
    const live = await fetch(`${url as string}/health/live`);
    const ready = await fetch(`${url as string}/health/ready`);
    expect({ live: live.status, ready: ready.status }).toEqual({ live: 200, ready: 503 });
    expect(gateway.isRunning).toBe(true);
  } finally {
    await gateway.end('SIGKILL');
  }
});
