import type { TokenVerifier } from '../accounts/tokens.ts';
import type { Clock } from '../clock.ts';
import type { Config } from '../config.ts';
import { isAppError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { AccessControl, Identity } from './port.ts';

export interface IdentifyParts {
  config: Pick<Config, 'auth' | 'tenant'>;
  verify: TokenVerifier;
  clock: Pick<Clock, 'wallTime'>;
  logger: Logger;
}

/** Who connects: by the token of the handshake's `auth`. A key set that cannot be had is no fault of the token. */
export function createIdentify({ config, verify, clock, logger }: IdentifyParts): AccessControl['identify'] {
  return async (auth) => {
    const token = typeof auth === 'object' && auth !== null ? (auth as { token?: unknown }).token : undefined;
    try {
      const { kind, userId, sessionId, name, tenantId, rooms, expiresAtMs } = await verify(token);
      // The verifier is tolerant of clocks that differ; a connection would be closed as soon as it is open.
      if (expiresAtMs <= clock.wallTime()) return { ok: false, code: 'UNAUTHENTICATED' };
      const isGrant = config.auth === 'jwt' || kind === 'service';
      const identity: Identity = {
        userId,
        expiresAtMs,
        ...(sessionId === undefined ? {} : { sessionId }),
        ...(name === undefined ? {} : { name }),
        // What the own accounts' people may do is asked for room by room.
        ...(isGrant ? { tenantId: tenantId ?? config.tenant, rooms: rooms ?? {} } : {}),
      };
      return { ok: true, identity };
    } catch (error) {
      if (isAppError(error, 'UNAUTHENTICATED')) return { ok: false, code: 'UNAUTHENTICATED' };
      logger.warn({ err: error }, 'tokens cannot be checked');
      return { ok: false, code: 'UNAVAILABLE' };
    }
  };
}
