import { describe, expect, it } from '@jest/globals';
import type { ServiceBroker } from 'moleculer';
import { holdNodeId } from '../../../lib/broker/node-claim.ts';
import { AppError } from '../../../lib/errors.ts';
import { silentLogger } from '../../../lib/log.ts';

interface Hooks {
  created(broker: ServiceBroker): void;
  starting(): Promise<void>;
  transitMessageHandler(
    next: (command: string, packet: object) => unknown,
  ): (command: string, packet: object) => unknown;
  transitPublish(next: (packet: object) => unknown): (packet: object) => unknown;
}

async function holder(claim: () => Promise<number>) {
  const answered: string[] = [];
  const passed: string[] = [];
  const sent: string[] = [];
  const lost: AppError[] = [];
  const broker = {
    nodeID: 'codec-1',
    instanceID: 'own',
    metadata: {} as { claimOrder?: number },
    registry: { discoverer: { sendLocalNodeInfo: (to: string) => Promise.resolve(void answered.push(to)) } },
  };
  const hooks = holdNodeId({
    logger: silentLogger,
    claim,
    onLost: (error) => lost.push(error),
  }) as unknown as Hooks;
  hooks.created(broker as unknown as ServiceBroker);
  await hooks.starting();
  const receive = hooks.transitMessageHandler((command) => passed.push(command));
  const publish = hooks.transitPublish((packet) => sent.push((packet as { type: string }).type));
  const info = (instanceID: string, claimOrder?: number) =>
    receive('INFO', {
      payload: { sender: 'codec-1', instanceID, hostname: 'there', metadata: { claimOrder } },
    });
  const ask = (claimant: string) => receive('PING', { payload: { sender: 'codec-1', claimant } });
  return { broker, answered, passed, sent, lost, receive, publish, info, ask };
}

describe('holdNodeId', () => {
  it('does not start when another process answers', async () => {
    await expect(holder(() => Promise.reject(new AppError('NODE_ID_TAKEN')))).rejects.toMatchObject({
      type: 'NODE_ID_TAKEN',
    });
  });

  it('answers who asks for its id, and not its own question', async () => {
    const { ask, answered, passed, broker } = await holder(() => Promise.resolve(5));
    expect(broker.metadata.claimOrder).toBe(5);
    ask('other');
    expect(answered).toEqual(['codec-1']);
    ask('own');
    expect(answered).toHaveLength(1);
    expect(passed).toEqual(['PING']);
  });

  it('stays when the other claim is later, and tells it; Moleculer, which would end it, hears nothing', async () => {
    const { info, answered, passed, lost } = await holder(() => Promise.resolve(5));
    info('other', 6);
    info('without a claim');
    expect(lost).toEqual([]);
    expect(answered).toEqual(['codec-1', 'codec-1']);
    expect(passed).toEqual([]);
  });

  it('leaves when the other claim is earlier, once, and says nothing more in the name of the other', async () => {
    const { info, ask, lost, publish, sent, answered } = await holder(() => Promise.resolve(5));
    publish({ type: 'HEARTBEAT' });
    info('other', 4);
    info('other', 4);
    expect(lost).toHaveLength(1);
    expect(lost[0]).toMatchObject({
      type: 'NODE_ID_TAKEN',
      message: expect.stringMatching(/node codec-1: instance other on host there.*instance own on host/),
    });
    publish({ type: 'DISCONNECT' });
    ask('third');
    expect(sent).toEqual(['HEARTBEAT']);
    expect(answered).toEqual([]);
  });

  it('lets all other packets through', async () => {
    const { receive, passed } = await holder(() => Promise.resolve(5));
    receive('INFO', { payload: { sender: 'gateway-1', instanceID: 'x' } });
    receive('INFO', { payload: { sender: 'codec-1', instanceID: 'own' } });
    receive('REQ', { payload: { sender: 'gateway-1' } });
    expect(passed).toEqual(['INFO', 'INFO', 'REQ']);
  });
});
