import { describe, expect, it } from '@jest/globals';
import { openAccess } from '../../../lib/broker/gateway-access.ts';
import type { Runtime } from '../../../lib/broker/runtime.ts';
import { systemClock } from '../../../lib/clock.ts';
import { loadConfig, type Config } from '../../../lib/config.ts';
import { AppError } from '../../../lib/errors.ts';
import { silentLogger } from '../../../lib/log.ts';

function accessWith(config: Partial<Config>, call: (action: string, params: object) => Promise<unknown>) {
  const runtime = { config: loadConfig({}, config), clock: systemClock, logger: silentLogger };
  return openAccess({ call } as never, runtime as unknown as Runtime);
}

describe('the revoked service tokens', () => {
  it('are asked for until there are no more', async () => {
    const revoked = ['a', 'b', 'c', 'd', 'e'];
    const { revokedTokens } = accessWith({ auth: 'accounts' }, async (action, params) => {
      if (action !== 'auth.revokedTokens.list') throw new Error(action);
      const { after } = params as { after?: string };
      const from = after === undefined ? 0 : revoked.indexOf(after) + 1;
      return { ids: revoked.slice(from, from + 2) };
    });
    expect(await revokedTokens!()).toEqual(revoked);
    revoked.splice(0);
    expect(await revokedTokens!()).toEqual([]);
  });

  it('cannot be told while nobody answers, and there are none of another product', async () => {
    const away = async () => {
      throw new AppError('SERVICE_UNAVAILABLE');
    };
    const { revokedTokens } = accessWith({ auth: 'accounts' }, away);
    await expect(revokedTokens!()).rejects.toMatchObject({ type: 'SERVICE_UNAVAILABLE' });
    const foreign = {
      auth: 'jwt',
      jwksUrl: 'http://127.0.0.1:9/',
      jwtIssuer: 'i',
      jwtAudience: 'a',
    } as const;
    expect(accessWith(foreign, away).revokedTokens).toBeUndefined();
  });
});
