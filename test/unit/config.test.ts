import { describe, expect, it } from '@jest/globals';
import { CONFIG_SCHEMA, loadConfig } from '../../lib/config.ts';
import { offersLocalSignIn } from '../../lib/config-accounts.ts';
import { isAppError } from '../../lib/errors.ts';

function problemsOf(env: Record<string, string>): string[] {
  try {
    loadConfig(env);
  } catch (error) {
    if (isAppError(error, 'BAD_CONFIG')) return error.data.problems as string[];
    throw error;
  }
  return [];
}

describe('loadConfig', () => {
  it('starts with the defaults on an empty environment', () => {
    const config = loadConfig({});
    expect(config).toMatchObject({
      mode: 'embedded',
      host: '127.0.0.1',
      port: 3000,
      partitions: 16,
      auth: 'none',
    });
    expect(Object.isFrozen(config)).toBe(true);
  });

  it('lists every bad variable at once', () => {
    const problems = problemsOf({ PORT: 'http', PARTITIONS: '0', AUTH: 'maybe', YKAFKA_MAX_UNACKED: '1.5' });
    expect(problems.map((problem) => problem.split('=')[0])).toEqual([
      'PORT',
      'AUTH',
      'PARTITIONS',
      'YKAFKA_MAX_UNACKED',
    ]);
  });

  it('names an unknown variable of its own prefix, so that a typing error does not pass unseen', () => {
    expect(problemsOf({ YKAFKA_PARTITONS: '4' })).toEqual(['YKAFKA_PARTITONS: unknown variable']);
  });

  it('does not mind variables of others', () => {
    expect(problemsOf({ NODE_ENV: 'production', KAFKA_HOME: '/opt/kafka' })).toEqual([]);
  });

  it('refuses AUTH=none on anything but loopback', () => {
    expect(problemsOf({ HOST: '0.0.0.0' })[0]).toMatch(/^AUTH=none: refused/);
    expect(problemsOf({ HOST: '0.0.0.0', YKAFKA_OPEN_TO_ALL: 'yes' })).toEqual([]);
  });

  it('has to be told its address with AUTH=accounts, and all three of the other product with AUTH=jwt', () => {
    expect(problemsOf({ AUTH: 'accounts', HOST: '0.0.0.0' })[0]).toMatch(/^PUBLIC_URL: needed/);
    expect(problemsOf({ AUTH: 'accounts', HOST: '0.0.0.0', PUBLIC_URL: 'https://a.test' })).toEqual([]);
    const missing = problemsOf({ AUTH: 'jwt' }).map((problem) => problem.split(':')[0]);
    expect(missing).toEqual(['JWKS_URL', 'JWT_ISSUER', 'JWT_AUDIENCE']);
    expect(
      problemsOf({ AUTH: 'jwt', JWKS_URL: 'http://a.test/', JWT_ISSUER: 'a', JWT_AUDIENCE: 'b' }),
    ).toEqual(['JWKS_URL: must begin with https://']);
    const jwt = { AUTH: 'jwt', JWKS_URL: 'https://a.test/', JWT_ISSUER: 'a', JWT_AUDIENCE: 'b' };
    expect(problemsOf({ ...jwt, JWT_WEBHOOK_URL: 'http://a.test/' })).toEqual([
      'JWT_WEBHOOK_URL: must begin with https://',
      'JWT_WEBHOOK_SECRET: needed with JWT_WEBHOOK_URL',
    ]);
    const short = problemsOf({ ...jwt, JWT_WEBHOOK_SECRET: 'whsec_c2hvcnQ=' });
    expect(short).toEqual([expect.stringMatching(/^JWT_WEBHOOK_SECRET=\(secret\): /)]);
  });

  it('lets nobody sign in by a name alone off this machine, unless it is told twice', () => {
    const offered = (env: Record<string, string>) =>
      offersLocalSignIn(loadConfig({ AUTH: 'accounts', ...env }));
    const refused = (env: Record<string, string>) => problemsOf({ AUTH: 'accounts', ...env });
    const elsewhere = { HOST: '0.0.0.0', PUBLIC_URL: 'https://a.test' };
    const cluster = { YKAFKA_MODE: 'cluster', KAFKA_BROKERS: 'b:1' };
    const AUTH_PROVIDERS = '{"work":{"issuer":"https://a.test","clientId":"c"}}';
    const yes = { YKAFKA_LOCAL_SIGN_IN: 'yes' };
    expect(offered({})).toBe(true);
    const others: Record<string, string>[] = [
      { AUTH: 'none' },
      { YKAFKA_LOCAL_SIGN_IN: 'no' },
      { AUTH_PROVIDERS },
      elsewhere,
      cluster,
    ];
    for (const env of [...others, { PUBLIC_URL: 'https://a.test' }])
      expect([env, offered(env)]).toEqual([env, false]);
    expect(offered({ ...yes, AUTH_PROVIDERS })).toBe(true);
    for (const env of [elsewhere, cluster, { PUBLIC_URL: 'https://a.test' }]) {
      expect(refused({ ...yes, ...env })).toEqual([
        expect.stringMatching(/^YKAFKA_LOCAL_SIGN_IN=yes: refused/),
      ]);
      expect(offered({ ...yes, ...env, YKAFKA_OPEN_TO_ALL: 'yes' })).toBe(true);
    }
  });

  it('reads the providers, with a preset for google', () => {
    const AUTH_PROVIDERS = JSON.stringify({
      google: { clientId: 'c', clientSecret: 's' },
      work: { issuer: 'https://login.test/realm', clientId: 'w' },
    });
    expect(loadConfig({ AUTH_PROVIDERS }).authProviders).toMatchObject([
      { name: 'google', issuer: 'https://accounts.google.com', clientSecret: 's', label: 'Google' },
      { name: 'work', clientSecret: '', scope: 'openid email profile', label: 'work' },
    ]);
  });

  it.each([
    ['{"google":{"clientId":"c","clientSecret":"hush"}', 'must be JSON'],
    ['{"me":{"issuer":"https://a.test","clientId":"c"}}', 'cannot have this name'],
    ['{"local":{"issuer":"https://a.test","clientId":"c"}}', 'cannot have this name'],
    ['{"a/b":{"issuer":"https://a.test","clientId":"c"}}', 'cannot have this name'],
    ['{"a":{"issuer":"http://a.test","clientId":"c"}}', 'https://'],
    ['{"a":{"issuer":"https://a.test"}}', 'clientId is missing'],
    ['{"a":{"issuer":"https://a.test","clientId":"c","secret":"hush"}}', 'bad field secret'],
    ['{"a":{"issuer":"https://a.test","clientId":"c","scope":"email"}}', 'openid'],
  ])('refuses the providers %s', (AUTH_PROVIDERS, why) => {
    const [problem] = problemsOf({ AUTH_PROVIDERS });
    expect(problem).toMatch(/^AUTH_PROVIDERS=\(secret\): /);
    expect(problem).toContain(why);
    expect(problem).not.toContain('hush');
  });

  it('needs brokers in cluster mode', () => {
    expect(problemsOf({ YKAFKA_MODE: 'cluster' })).toEqual(['KAFKA_BROKERS: needed in cluster mode']);
  });

  it('never shows a secret in a problem', () => {
    const secrets = Object.values(CONFIG_SCHEMA).filter((setting) => 'secret' in setting);
    expect(secrets.map(({ env }) => env)).toEqual([
      'DATABASE_URL',
      'AUTH_PROVIDERS',
      'YKAFKA_SECRET',
      'YKAFKA_TRANSPORT_SECRET',
      'YKAFKA_INTERNAL_SECRET',
      'JWT_WEBHOOK_SECRET',
      'REDIS_URL',
    ]);
  });

  it('has a default that its own parser accepts', () => {
    for (const setting of Object.values(CONFIG_SCHEMA)) {
      const text = Array.isArray(setting.default) ? setting.default.join(',') : String(setting.default);
      if (text === '') continue;
      expect((setting.parse as (text: string) => unknown)(text)).toEqual(setting.default);
    }
  });
});
