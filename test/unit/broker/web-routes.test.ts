import { describe, expect, it } from '@jest/globals';
import type { Principal } from '../../../lib/accounts/principal.ts';
import { exceptEnded } from '../../../lib/broker/web-routes.ts';
import { AppError } from '../../../lib/errors.ts';
import type { NackCode } from '../../../lib/protocol/nack-codes.ts';

const ANN: Principal = { kind: 'user', userId: 'ann', sessionId: 'of-ann', expiresAtMs: 1 };

describe('an access token that comes over HTTP', () => {
  const codes = new Map<string, NackCode>();
  const verify = exceptEnded(
    async (token) => {
      if (token !== 'good') throw new AppError('UNAUTHENTICATED');
      return ANN;
    },
    async ({ sessionId = '' }) => codes.get(sessionId),
  );

  it('is taken while its session goes on, and no more when it has ended', async () => {
    codes.clear();
    expect(await verify('good')).toBe(ANN);
    await expect(verify('bad')).rejects.toMatchObject({ type: 'UNAUTHENTICATED' });
    codes.set('of-ann', 'UNAUTHENTICATED');
    await expect(verify('good')).rejects.toMatchObject({ type: 'UNAUTHENTICATED' });
  });

  it('waits while nobody can tell whether its session goes on', async () => {
    codes.set('of-ann', 'UNAVAILABLE');
    await expect(verify('good')).rejects.toMatchObject({ type: 'SERVICE_UNAVAILABLE', retryable: true });
  });
});
