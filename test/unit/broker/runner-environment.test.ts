import { afterEach, describe, expect, it } from '@jest/globals';
import { Runner, type BrokerOptions } from 'moleculer';
import { createBrokerOptions } from '../../../lib/broker/options.ts';
import { runnerProblems, withholdFromRunner } from '../../../lib/broker/runner-environment.ts';
import { CONFIG_SCHEMA, loadConfig } from '../../../lib/config.ts';

const config = loadConfig({ KAFKA_BROKERS: 'b:1' }, { mode: 'cluster' });
const optionsOf = () => createBrokerOptions(config, 'node-1', { group: 'g' });

interface InnerRunner {
  flags: object;
  config: BrokerOptions;
  mergeOptions: (options: BrokerOptions) => void;
}

/** What Moleculer's runner makes of the options in this environment. */
function merged(env: NodeJS.ProcessEnv): BrokerOptions {
  const runner = new Runner() as unknown as InnerRunner;
  runner.flags = {};
  process.env = env;
  runner.mergeOptions(optionsOf());
  return runner.config;
}

const plain = (options: BrokerOptions) => JSON.parse(JSON.stringify(options)) as object;

const original = process.env;
afterEach(() => {
  process.env = original;
});

describe('the environment of moleculer-runner', () => {
  it('has nothing left that the runner would put over the options', () => {
    const asked = new Set<string>();
    merged(
      new Proxy<NodeJS.ProcessEnv>(
        {},
        { get: (_, name) => void (typeof name === 'string' && asked.add(name)) },
      ),
    );
    expect([...asked]).toEqual(
      expect.arrayContaining(['NAMESPACE', 'METRICS', 'TRANSPORTER_OPTIONS_CLIENTID']),
    );
    const env = { PATH: '/bin', ...Object.fromEntries([...asked].map((name) => [name, 'else'])) };
    expect(merged({ ...env })).toMatchObject({ namespace: 'else', nodeID: 'else', serializer: 'else' });
    expect(withholdFromRunner(env, optionsOf()).sort()).toEqual([...asked].sort());
    expect(env).toEqual({ PATH: '/bin' });
    expect(plain(merged(env))).toEqual(plain(merged({})));
    // None of ours is among them.
    const own = Object.values(CONFIG_SCHEMA).map(({ env: name }) => name as string);
    expect(own.filter((name) => asked.has(name))).toEqual([]);
  });

  it('is refused where a variable was meant for Moleculer, with all of them and what to say instead', () => {
    const env = {
      NAMESPACE: 'production',
      NODEID: 'a',
      SERIALIZER: 'JSON',
      TRANSPORTER: '',
      MOL_RETRY_POLICY__ENABLED: '',
      YKAFKA_X: '1',
    };
    const problems = runnerProblems(env);
    expect(problems.map((problem) => problem.split(':')[0])).toEqual([
      'NODEID',
      'SERIALIZER',
      'MOL_RETRY_POLICY__ENABLED',
    ]);
    expect(problems[0]).toContain('YKAFKA_NODE_ID');
    const load = () => loadConfig(env, { mode: 'cluster' }, problems);
    expect(load).toThrow(
      expect.objectContaining({
        type: 'BAD_CONFIG',
        data: { problems: [...problems, 'YKAFKA_X: unknown variable'] },
      }),
    );
    expect(runnerProblems({ PATH: '/bin', NAMESPACE: 'x', METRICS: 'on' })).toEqual([]);
  });
});
