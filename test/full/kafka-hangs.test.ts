import { describe, expect, it, jest } from '@jest/globals';
import { freePorts, startKafka } from '../../scripts/dev/kafka.ts';
import { HOST } from '../../scripts/dev/ports.ts';
import { isAppError } from '../../lib/errors.ts';
import type { Stream } from '../../lib/stream/port.ts';
import { openStream } from '../kafka/support/kafka-harness.ts';
import { consumeAll, followAll, Seen, Writer } from '../kafka/support/log-load.ts';
import { Stopwatch } from '../support/stopwatch.ts';
import { startSwallowingProxy } from '../support/swallowing-proxy.ts';
import { waitFor } from '../support/wait.ts';

// Every wait inside has a deadline of its own.
jest.setTimeout(900_000);

const TOPIC = 'hangs';
const PARTITIONS = 3;
const APPEND_TIMEOUT_MS = 3_000;
/** On a busy machine timers come late. */
const LATE_MS = 8_000;
/** A client that keeps a deaf connection for all its retries needs longer. */
const RECOVERY_MS = 120_000;

/** Writers, a follower and a group member over one stream, and what happens to them around a fault. */
async function watched(stream: Stream) {
  await stream.ensureTopics([{ topic: TOPIC, kind: 'doc', partitions: PARTITIONS }]);
  const [followed, consumed] = [new Seen(PARTITIONS), new Seen(PARTITIONS)];
  await followAll(stream, TOPIC, followed);
  await consumeAll(stream, { topic: TOPIC, group: TOPIC, seen: consumed, positions: new Map() });
  const writers = Array.from(
    { length: PARTITIONS },
    (_, partition) => new Writer(stream, { topic: TOPIC, partition }),
  );
  const untilMore = async (count: number, what: string) => {
    const before = writers.map(({ acked }) => acked.size);
    const timeoutMs = RECOVERY_MS;
    await waitFor(() => writers.every(({ acked }, at) => acked.size >= before[at]! + count), {
      timeoutMs,
      what,
    });
    for (const [seen, reader] of [
      [followed, 'follow'],
      [consumed, 'group'],
    ] as const) {
      const last = writers.map(({ acked }) => [...acked.keys()].at(-1)!);
      await waitFor(() => last.every((text) => seen.count(text) > 0), {
        timeoutMs,
        what: `${what}: the ${reader}`,
      });
    }
  };
  return { followed, consumed, writers, untilMore };
}

describe('a broker that takes connections but does not answer', () => {
  it.each([
    ['frozen for a while', frozen],
    ['behind a network that swallows everything', swallowed],
  ] as const)('%s: appends are refused in time, then all goes on by itself', async (_, faultIn) => {
    const world = await startWorld();
    try {
      const { followed, consumed, writers, untilMore } = await watched(world.stream);
      await untilMore(100, 'everything runs');
      const fault = faultIn(world);
      await fault.begin();
      const lasting = new Stopwatch();
      try {
        await waitFor(() => writers.every(({ failed }) => failed.length > 0), {
          timeoutMs: APPEND_TIMEOUT_MS + LATE_MS,
          what: 'appends of every partition are refused',
        });
        expect(await world.stream.ping(500)).toBe(false);
        await waitFor(() => lasting.ms >= FAULT_MS, {
          timeoutMs: 2 * FAULT_MS,
          what: 'the fault has lasted',
        });
      } finally {
        lasting.stop();
        await fault.end();
      }
      await untilMore(100, 'everything goes on');
      await Promise.all(writers.map((writer) => writer.stop()));
      await untilMore(0, 'the readers come to the end');
      for (const seen of [followed, consumed]) seen.expectAllOf(writers);
      for (const { failed, slowestRefusalMs } of writers) {
        expect(failed.every((error) => isAppError(error) && error.retryable)).toBe(true);
        expect(slowestRefusalMs).toBeLessThan(APPEND_TIMEOUT_MS + LATE_MS);
      }
    } finally {
      await world.stop();
    }
  });
});

/** At least: longer than an append usually takes to be refused. */
const FAULT_MS = 12_000;

function frozen({ kafka }: World) {
  return { begin: () => kafka.kill('SIGSTOP'), end: () => kafka.kill('SIGCONT') };
}

/** Connections of before stay deaf for ever: nothing tells their ends. */
function swallowed({ proxy }: World) {
  return { begin: async () => proxy.swallow(), end: async () => proxy.heal() };
}

type World = Awaited<ReturnType<typeof startWorld>>;

/** A broker whose clients come through the proxy; a listener of its own tells them so. */
async function startWorld() {
  const [port, inner, controllerPort] = (await freePorts(3)) as [number, number, number];
  const proxy = await startSwallowingProxy(inner);
  const kafka = await startKafka({
    port,
    controllerPort,
    properties: {
      listeners: `PLAINTEXT://${HOST}:${port},PROXIED://${HOST}:${inner},CONTROLLER://${HOST}:${controllerPort}`,
      'advertised.listeners': `PLAINTEXT://${HOST}:${port},PROXIED://${HOST}:${proxy.port}`,
      'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT',
      'inter.broker.listener.name': 'PLAINTEXT',
    },
  });
  const stream = await openStream([`${HOST}:${proxy.port}`], { appendTimeoutMs: APPEND_TIMEOUT_MS });
  return {
    kafka,
    proxy,
    stream,
    async stop() {
      await stream.close();
      await proxy.close();
      await kafka.stop();
    },
  };
}
