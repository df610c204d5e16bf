import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, it } from '@jest/globals';
import { ServiceBroker, type ActionSchema, type Context, type ServiceSchema } from 'moleculer';
import { trackedCalls } from '../../../lib/broker/node-watch.ts';
import { createBrokerOptions } from '../../../lib/broker/options.ts';
import { loadConfig } from '../../../lib/config.ts';
import { AppError } from '../../../lib/errors.ts';
import { createMetrics } from '../../../lib/metrics/prometheus.ts';
import { parseExposition } from '../metrics/exposition.ts';
import { Stopwatch } from '../../support/stopwatch.ts';
import { waitFor } from '../../support/wait.ts';

const REQUEST_TIMEOUT_MS = 1_000;
/** Where it is not waited for: a busy machine takes its time for four attempts. */
const PATIENT_MS = 20_000;

let brokers: ServiceBroker[] = [];
const ends: ((value: unknown) => void)[] = [];
/** Runs until the test is over: nodes that stop wait for what they run. */
const hang = () => new Promise((resolve) => ends.push(resolve));

afterEach(async () => {
  for (const end of ends.splice(0)) end(undefined);
  await Promise.all(brokers.splice(0).map((broker) => broker.stop()));
});

/** Nodes that share no memory, on a transporter within the process. The first has no service: it calls. */
async function nodes(schemas: readonly ServiceSchema[], requestTimeoutMs = PATIENT_MS) {
  const namespace = `retry-${randomBytes(4).toString('hex')}`;
  const config = loadConfig({}, { logLevel: 'fatal', requestTimeoutMs, namespace });
  const metrics = createMetrics();
  const make = (nodeID: string) =>
    new ServiceBroker({ ...createBrokerOptions(config, nodeID, { metrics }), transporter: 'Fake' });
  const caller = make('caller');
  const owners = schemas.map((schema, index) => {
    const owner = make(`owner-${index + 1}`);
    owner.createService(schema);
    return owner;
  });
  brokers = [caller, ...owners];
  await Promise.all(brokers.map((broker) => broker.start()));
  await waitFor(() => caller.registry.getNodeList({ onlyAvailable: true }).length === brokers.length);
  await caller.waitForServices('things', 30_000);
  const counts = async () => {
    const { samples } = parseExposition(await metrics.text());
    const of = (name: string, outcome?: string) =>
      samples.find((sample) => sample.name === `ykafka_${name}` && sample.labels.outcome === outcome)?.value;
    return {
      ok: of('calls_total', 'ok'),
      unavailable: of('calls_total', 'unavailable'),
      timeout: of('calls_total', 'timeout'),
      retries: of('call_retries_total'),
    };
  };
  return { caller, owners, counts };
}

/** A frozen process: it hears nothing and says nothing, but is still taken for alive. */
function freeze(owner: ServiceBroker): void {
  (owner.transit as unknown as { tx: { send: () => Promise<void> } }).tx.send = () => Promise.resolve();
}

const things = (actions: Record<string, object>): ServiceSchema => ({
  name: 'things',
  actions: actions as Record<string, ActionSchema>,
});

const pendingCalls = (broker: ServiceBroker) =>
  (broker.transit as unknown as { pendingRequests: Map<string, unknown> }).pendingRequests.size;

describe('calls that fail for a reason that may pass', () => {
  it('are made again only when the action says that it may run twice', async () => {
    const runs: Record<string, number> = {};
    const fail = (name: string) => () => {
      runs[name] = (runs[name] ?? 0) + 1;
      throw new AppError('STORE_UNAVAILABLE');
    };
    const { caller, counts } = await nodes([
      things({
        idempotent: { repetition: 'idempotent', handler: fail('idempotent') },
        keyed: { repetition: { key: 'id' }, params: { id: 'string' }, handler: fail('keyed') },
        badKey: { repetition: { key: 'other' }, params: { id: 'string' }, handler: fail('badKey') },
        undeclared: { handler: fail('undeclared') },
      }),
    ]);
    for (const action of ['idempotent', 'keyed', 'badKey', 'undeclared'])
      await expect(caller.call(`things.${action}`, { id: 'a' })).rejects.toMatchObject({
        type: 'STORE_UNAVAILABLE',
      });
    expect(runs).toEqual({ idempotent: 4, keyed: 4, badKey: 1, undeclared: 1 });
    expect((await counts()).retries).toBe(6);
  });

  it('are not made again when the caller wants none, nor when the error stays', async () => {
    let runs = 0;
    const { caller } = await nodes([
      things({
        away: {
          repetition: 'idempotent',
          handler: () => {
            runs++;
            throw new AppError('STORE_UNAVAILABLE');
          },
        },
        bad: {
          repetition: 'idempotent',
          handler: () => {
            runs++;
            throw new AppError('BAD_INPUT');
          },
        },
      }),
    ]);
    await expect(caller.call('things.away', {}, { retries: 0 })).rejects.toThrow();
    await expect(caller.call('things.bad')).rejects.toMatchObject({ type: 'BAD_INPUT' });
    expect(runs).toBe(2);
  });

  it('go to another instance, and the node that failed is not asked again', async () => {
    const runs = [0, 0];
    const one = (index: number) =>
      things({
        get: {
          repetition: 'idempotent',
          handler: () => {
            runs[index]!++;
            if (index === 0) throw new AppError('STORE_UNAVAILABLE');
            return index;
          },
        },
      });
    const { caller } = await nodes([one(0), one(1)]);
    for (let n = 0; n < 6; n++) expect(await caller.call('things.get')).toBe(1);
    expect(runs[1]).toBe(6);
    expect(runs[0]).toBeLessThanOrEqual(3);
  });

  it('go to another instance when their node has gone', async () => {
    const hanging = things({ get: { repetition: 'idempotent', handler: hang } });
    const answer: ServiceSchema = things({ get: { repetition: 'idempotent', handler: () => 'answer' } });
    const { caller, owners, counts } = await nodes([hanging, answer]);
    freeze(owners[0]!);
    const calls = [caller.call('things.get'), caller.call('things.get')];
    await waitFor(() => pendingCalls(caller) > 0);
    (
      caller.registry as unknown as { nodes: { disconnected(id: string, unexpected: boolean): void } }
    ).nodes.disconnected('owner-1', true);
    expect(await Promise.all(calls)).toEqual(['answer', 'answer']);
    expect((await counts()).unavailable).toBe(1);
  });
});

describe('a call', () => {
  it('ends within its time limit with all its attempts, as an error of ours that may be retried', async () => {
    let runs = 0;
    const { caller, counts } = await nodes(
      [
        things({
          slow: {
            repetition: 'idempotent',
            handler: () => {
              runs++;
              return hang();
            },
          },
        }),
      ],
      REQUEST_TIMEOUT_MS,
    );
    const took = new Stopwatch();
    const error: unknown = await caller.call('things.slow').catch((reason: unknown) => reason);
    expect(took.stop()).toBeLessThan(3 * REQUEST_TIMEOUT_MS);
    expect(error).toBeInstanceOf(AppError);
    expect(error).toMatchObject({
      type: 'SERVICE_UNAVAILABLE',
      retryable: true,
      data: { action: 'things.slow', reason: 'REQUEST_TIMEOUT', nodeID: 'owner-1' },
    });
    expect(runs).toBe(1);
    expect((await counts()).timeout).toBe(1);
  });

  it('gives a later attempt only the time that is left', async () => {
    const LIMIT_MS = 5_000;
    const limits: number[] = [];
    const { caller } = await nodes(
      [
        things({
          get: {
            repetition: 'idempotent',
            handler: async (ctx: Context) => {
              limits.push(ctx.options.timeout!);
              if (limits.length > 1) return 'answer';
              await new Promise((resolve) => setTimeout(resolve, 0.1 * LIMIT_MS));
              throw new AppError('STORE_UNAVAILABLE');
            },
          },
        }),
      ],
      LIMIT_MS,
    );
    await caller.call('things.get');
    expect(limits[0]).toBe(LIMIT_MS);
    expect(limits[1]).toBeLessThanOrEqual(0.9 * LIMIT_MS);
  });

  it('says so when nobody offers the action', async () => {
    const { caller } = await nodes([things({ get: { repetition: 'idempotent', handler: () => 1 } })]);
    await expect(caller.call('nowhere.get')).rejects.toMatchObject({
      type: 'SERVICE_UNAVAILABLE',
      message: 'nowhere.get cannot be called now: no process offers it.',
    });
  });

  it('says so when the transporter refuses the packet', async () => {
    const { caller } = await nodes([things({ get: { repetition: 'idempotent', handler: () => 1 } })]);
    (caller.transit as unknown as { tx: { prepublish: () => Promise<void> } }).tx.prepublish = () =>
      Promise.reject(new AppError('SERVICE_UNAVAILABLE'));
    await expect(caller.call('things.get')).rejects.toMatchObject({ type: 'SERVICE_UNAVAILABLE' });
  });

  it('leaves nothing behind when its node is frozen: a later stop waits for nobody', async () => {
    const hanging = () => things({ get: { repetition: 'idempotent', handler: hang } });
    const { caller, owners } = await nodes([hanging(), hanging(), hanging()]);
    owners.forEach(freeze);
    const results = await Promise.allSettled(
      Array.from({ length: 30 }, () => caller.call('things.get', {}, { timeout: 300 })),
    );
    expect(results.every(({ status }) => status === 'rejected')).toBe(true);
    await waitFor(() => trackedCalls(caller) === 0 && pendingCalls(caller) === 0, {
      what: 'nothing is left',
    });
    const took = new Stopwatch();
    brokers.splice(brokers.indexOf(caller), 1);
    await caller.stop();
    // It waits ten seconds for what it runs.
    expect(took.stop()).toBeLessThan(8_000);
  });
});
