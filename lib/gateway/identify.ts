import type { TokenVerifier } from '../accounts/tokens.ts';
import type { Clock } from '../clock.ts';
import type { Config } from '../config.ts';
import { isAppError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { AccessControl, Identity } from './port.ts';

export interface IdentifyParts {
  config: Pick<Config, 'auth' | 'tenant'> & Partial<Pick<Config, 'jwtWebhookUrl'>>;
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
      // What a token does not say is asked for room by room, where somebody can be asked.
      const isAsked = config.auth === 'jwt' && config.jwtWebhookUrl && rooms === undefined;
      const identity: Identity = {
        userId,
        expiresAtMs,
        ...(sessionId === undefined ? {} : { sessionId }),
        ...(name === undefined ? {} : { name }),
        // So is what the own accounts' people may do, and in which tenant.
        ...(isGrant ? { tenantId: tenantId ?? config.tenant } : {}),
        ...(isGrant && !isAsked ? { rooms: rooms ?? {} } : {}),
      };
      return { ok: true, identity };
    } catch (error) {
      if (isAppError(error, 'UNAUTHENTICATED')) return { ok: false, code: 'UNAUTHENTICATED' };
      logger.warn({ err: error }, 'tokens cannot be checked');
      return { ok: false, code: 'UNAVAILABLE' };
    }
  };
}
