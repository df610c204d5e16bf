import type { Config } from '../config.ts';
import type { AccessControl } from './port.ts';

/** Open to everybody with AUTH=none; with any other setting every connection and document is refused. */
export function createAccessControl(config: Pick<Config, 'auth' | 'tenant'>): AccessControl {
  const isOpen = config.auth === 'none';
  return {
    identify: () =>
      Promise.resolve(
        isOpen
          ? { ok: true, identity: { tenantId: config.tenant } }
          : ({ ok: false, code: 'UNAUTHENTICATED' } as const),
      ),
    mayUse: () => ({ read: isOpen, write: isOpen }),
  };
}
