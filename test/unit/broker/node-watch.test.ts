import { EventEmitter } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import type { ServiceBroker } from 'moleculer';
import { TransporterWatch } from '../../../lib/broker/node-watch.ts';
import type { Logger } from '../../../lib/log.ts';
import { createMetrics } from '../../../lib/metrics/prometheus.ts';
import { ManualClock } from '../gateway/manual-clock.ts';

interface Hooks {
  created(broker: ServiceBroker): void;
  stopping(): void;
  transitMessageHandler(
    next: (command: string, packet: object) => unknown,
  ): (command: string, packet: object) => unknown;
  transitPublish(next: (packet: object) => Promise<unknown>): (packet: object) => Promise<unknown>;
}

/** A node with another one, on a transporter whose every packet the test gives. */
function world() {
  const clock = new ManualClock();
  const gone: string[] = [];
  const rejected: string[] = [];
  const messages: string[] = [];
  let deaf = 0;
  const note = (_: object, message: string) => void messages.push(message);
  const logger = { debug: note, info: note, warn: note, error: note } as unknown as Logger;
  const watch = new TransporterWatch({ clock, logger, metrics: createMetrics(), onDeaf: () => deaf++ });
  const other = { id: 'other', local: false, available: true };
  const broker = {
    nodeID: 'own',
    instanceID: 'own-instance',
    transit: { removePendingRequestByNodeID: (id: string) => void rejected.push(id) },
    services: [],
    localBus: new EventEmitter(),
    registry: {
      nodes: {
        toArray: () => [{ id: 'own', local: true, available: true }, other],
        disconnected: (id: string) => {
          other.available = false;
          gone.push(id);
        },
      },
    },
  };
  const hooks = watch.middleware as unknown as Hooks;
  hooks.created(broker as unknown as ServiceBroker);
  const receive = hooks.transitMessageHandler(() => undefined);
  const sent: { payload: { instanceID?: string } }[] = [];
  const publish = hooks.transitPublish((packet) => {
    sent.push(packet as (typeof sent)[number]);
    return Promise.resolve();
  });
  const beat = (sender: string, instanceID = `${sender}-instance`) =>
    receive('HEARTBEAT', { payload: { sender, instanceID } });
  return {
    clock,
    gone,
    rejected,
    messages,
    watch,
    sent,
    beat,
    deaf: () => deaf,
    connect: () => broker.localBus.emit('$transporter.connected', {}),
    disturb: () =>
      broker.localBus.emit('$transporter.error', { type: 'publisherError', error: new Error('away') }),
    sendBeat: () => publish({ type: 'HEARTBEAT', payload: {} }),
    stop: () => hooks.stopping(),
    /** Time passes, with what happens every two seconds. */
    pass(ms: number, each: () => void = () => undefined) {
      for (let past = 0; past < ms; past += 500) {
        if (past % 2_000 === 0) each();
        clock.advance(500);
      }
    },
  };
}

describe('TransporterWatch', () => {
  it('takes a node for gone after 6 s of silence, while it hears itself', () => {
    const { connect, pass, beat, gone } = world();
    connect();
    pass(10_000, () => (beat('own'), beat('other')));
    expect(gone).toEqual([]);
    pass(4_000, () => beat('own'));
    expect(gone).toEqual([]);
    pass(4_000, () => beat('own'));
    expect(gone).toEqual(['other']);
  });

  it('gives up the calls to a process when another one beats under its name', () => {
    const { connect, pass, beat, rejected, messages } = world();
    connect();
    pass(4_000, () => (beat('own'), beat('other')));
    expect(rejected).toEqual([]);
    pass(4_000, () => (beat('own', 'own-again'), beat('own'), beat('other', 'other-again')));
    expect(rejected).toEqual(['other']);
    expect(messages).toEqual(['node has begun anew']);
  });

  it('judges nobody while its own beats do not come back: Kafka is away, or it was frozen itself', () => {
    const { connect, pass, clock, beat, gone } = world();
    connect();
    pass(4_000, () => (beat('own'), beat('other')));
    pass(60_000);
    expect(gone).toEqual([]);
    // What the others sent meanwhile is read before the next own beat.
    beat('other');
    beat('own');
    clock.advance(500);
    expect(gone).toEqual([]);
    clock.advance(30_000); // frozen: the timers of that time run at once
    beat('other');
    beat('own');
    clock.advance(500);
    expect(gone).toEqual([]);
  });

  it('gives a node that it has only been told of the same time', () => {
    const { connect, pass, beat, gone } = world();
    connect();
    pass(6_000, () => beat('own'));
    expect(gone).toEqual([]);
    pass(2_000, () => beat('own'));
    expect(gone).toEqual(['other']);
  });

  it('is hearing from the connection on, as long as its beats come back', () => {
    const { connect, pass, beat, watch } = world();
    expect(watch.isHearing()).toBe(false);
    connect();
    expect(watch.isHearing()).toBe(true);
    pass(20_000, () => beat('own'));
    expect(watch.isHearing()).toBe(true);
    // Those of another process under the same id do not count.
    pass(10_000, () => beat('own', 'another-instance'));
    expect(watch.isHearing()).toBe(false);
    beat('own');
    expect(watch.isHearing()).toBe(true);
  });

  it('is deaf when beats go out for a minute and none comes back, and says so once', async () => {
    const { connect, clock, sendBeat, beat, deaf, sent } = world();
    connect();
    const send = async (ms: number) => {
      for (let past = 0; past < ms; past += 2_000) {
        await sendBeat();
        clock.advance(2_000);
      }
    };
    await send(60_000);
    expect(deaf()).toBe(0);
    beat('own');
    await send(60_000);
    expect(deaf()).toBe(0);
    await send(10_000);
    expect(deaf()).toBe(1);
    expect(sent[0]!.payload.instanceID).toBe('own-instance');
  });

  it('is not deaf when all that waited for Kafka goes out at once', async () => {
    const { connect, clock, sendBeat, beat, deaf } = world();
    connect();
    await sendBeat(); // on its way when Kafka went
    clock.advance(240_000);
    for (let n = 0; n < 60; n++) await sendBeat();
    clock.advance(5_000);
    beat('own');
    expect(deaf()).toBe(0);
  });

  it('tells a disturbance and its end once each', () => {
    const { connect, disturb, beat, messages } = world();
    connect();
    for (let n = 0; n < 5; n++) disturb();
    beat('own');
    beat('own');
    expect(messages).toEqual(['transporter disturbed', 'transporter works again']);
  });

  it('is silent after the stop', () => {
    const { connect, pass, beat, gone, stop } = world();
    connect();
    stop();
    pass(20_000, () => beat('own'));
    expect(gone).toEqual([]);
  });

  it('counts the nodes that answer', () => {
    expect(world().watch.nodes()).toBe(2);
  });
});
