import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ServiceBroker, type ActionSchema } from 'moleculer';
import { createBrokerOptions } from '../../../lib/broker/options.ts';
import { loadConfig } from '../../../lib/config.ts';
import { AppError, isAppError } from '../../../lib/errors.ts';

/** Two brokers that share no memory: every call is serialised. */
function brokerOf(nodeID: string): ServiceBroker {
  const config = loadConfig({}, { logLevel: 'fatal', requestTimeoutMs: 30_000, namespace: 'errors-test' });
  return new ServiceBroker({ ...createBrokerOptions(config, nodeID), transporter: 'Fake' });
}

describe('calls between two nodes', () => {
  const [caller, owner] = [brokerOf('caller'), brokerOf('owner')];
  let attempts = 0;

  beforeAll(async () => {
    owner.createService({
      name: 'things',
      actions: {
        fail: {
          repetition: 'idempotent',
          handler() {
            attempts++;
            throw new AppError('STORE_UNAVAILABLE', {
              data: { table: 'none' },
              cause: new Error('internal text'),
            });
          },
        } as ActionSchema,
        refuse: {
          repetition: 'idempotent',
          handler() {
            attempts++;
            throw new AppError('NOT_FOUND');
          },
        } as ActionSchema,
        echo: (ctx: { params: { bytes: Uint8Array } }) => ({
          bytes: ctx.params.bytes,
          isBytes: ctx.params.bytes instanceof Uint8Array,
        }),
      },
    });
    await Promise.all([caller.start(), owner.start()]);
    await caller.waitForServices('things', 30_000);
  });
  afterAll(() => Promise.all([caller.stop(), owner.stop()]));

  it('gives a typed error its class and data back, without its cause', async () => {
    const error = await caller.call('things.fail').then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(AppError);
    expect(isAppError(error, 'STORE_UNAVAILABLE')).toBe(true);
    expect((error as AppError).data).toEqual({ table: 'none' });
  });

  it('retries what is retryable and nothing else', async () => {
    attempts = 0;
    await expect(caller.call('things.fail')).rejects.toThrow();
    expect(attempts).toBe(4);
    attempts = 0;
    await expect(caller.call('things.refuse')).rejects.toMatchObject({ type: 'NOT_FOUND' });
    expect(attempts).toBe(1);
  });

  it('keeps binary fields binary', async () => {
    const answer = await caller.call<{ bytes: Uint8Array; isBytes: boolean }, { bytes: Uint8Array }>(
      'things.echo',
      {
        bytes: new Uint8Array([0, 255, 1]),
      },
    );
    expect(answer.isBytes).toBe(true);
    expect([...answer.bytes]).toEqual([0, 255, 1]);
  });
});
