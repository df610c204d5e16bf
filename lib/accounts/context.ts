import type { EntityManager } from '@mikro-orm/postgresql';
import type { Clock } from '../clock.ts';
import type { Database } from '../store/database.ts';

/** What the account modules work with. */
export interface AccountsContext {
  database: Pick<Database, 'entities'>;
  clock: Clock;
  /** A random UUID (version 4). */
  newId: () => string;
  /** 256 random bits, base64url. */
  newToken: () => string;
}

export type { EntityManager };

/** Wall time, for what people see and for what expires. */
export function nowOf({ clock }: Pick<AccountsContext, 'clock'>): Date {
  return new Date(clock.wallTime());
}
