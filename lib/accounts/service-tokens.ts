import { LockMode } from '@mikro-orm/core';
import { AppError } from '../errors.ts';
import { recordAccessChange } from './access-changes.ts';
import { nowOf, type AccountsContext } from './context.ts';
import { ServiceTokenEntity } from './entities.ts';
import { pageOf, windowOf, type ListQuery, type Page } from './paging.ts';
import type { RoomRoles } from './principal.ts';
import { MAX_TOKEN_MS } from './signing-keys.ts';
import { TOLERANCE_MS, type AccessToken, type AccessTokens } from './tokens.ts';

export interface NewServiceToken {
  /** The same id with the same content is the same token, with another one ID_TAKEN; made when it is left out. */
  id?: string;
  name: string;
  tenantId: string;
  rooms: RoomRoles;
  /** At most a day. */
  lifeMs: number;
}

export interface ServiceTokenView {
  id: string;
  name: string;
  tenantId: string;
  rooms: RoomRoles;
  createdAt: string;
  expiresAt: string;
  revokedAt: string | null;
}

/** One token, or all that have this name; in one tenant, or in all. */
export type ServiceTokenChoice = ({ id: string } | { name: string }) & { tenantId?: string };

interface ServiceTokenRow {
  id: string;
  name: string;
  tenantId: string;
  rooms: RoomRoles;
  createdAt: Date;
  expiresAt: Date;
  revokedAt?: Date | null;
}

/** Tokens of servers: what there is, and what was revoked before its end. */
export class ServiceTokens {
  readonly #context: AccountsContext;
  readonly #tokens: AccessTokens;

  constructor(context: AccountsContext, tokens: AccessTokens) {
    this.#context = context;
    this.#tokens = tokens;
  }

  /** The token is in this answer and nowhere else. */
  async create(wanted: NewServiceToken): Promise<AccessToken & { id: string }> {
    const row = await this.#record(wanted);
    const { id, name, tenantId, rooms, expiresAt } = row;
    const grant = { id, name, tenantId, rooms, expiresAtMs: expiresAt.getTime() };
    return { id, ...(await this.#tokens.issueForService(grant)) };
  }

  /** Those that have not ended by themselves, the newest first. */
  list({ tenantId, ...query }: { tenantId?: string } & ListQuery = {}): Promise<Page<ServiceTokenView>> {
    return this.#context.database.entities(async (em) => {
      const window = windowOf(query, {
        sortable: ['createdAt'],
        fallback: '-createdAt',
        tieBreaker: 'id',
      });
      const where = {
        expiresAt: { $gt: nowOf(this.#context) },
        ...(tenantId === undefined ? {} : { tenantId }),
      };
      const [rows, total] = await em.findAndCount(ServiceTokenEntity, where, window);
      return pageOf(rows.map(viewOf), total, query);
    });
  }

  /** Answers how many tokens are revoked now; twice is once. Rejects with NOT_FOUND when there is no such token. */
  revoke(choice: ServiceTokenChoice): Promise<{ revoked: number }> {
    return this.#context.database.entities(async (em) => {
      const now = nowOf(this.#context);
      const where = { ...choice, expiresAt: { $gt: this.#forgotten() } };
      const options = { lockMode: LockMode.PESSIMISTIC_WRITE, orderBy: { id: 'asc' } } as const;
      const rows: ServiceTokenRow[] = await em.find(ServiceTokenEntity, where, options);
      if (rows.length === 0) throw new AppError('NOT_FOUND');
      for (const row of rows) {
        row.revokedAt ??= now;
        recordAccessChange(em, { sessionId: row.id });
      }
      return { revoked: rows.length };
    });
  }

  #record({ id = this.#context.newId(), name, tenantId, rooms, lifeMs }: NewServiceToken) {
    return this.#context.database.entities(async (em): Promise<ServiceTokenRow> => {
      const known = await em.findOne(ServiceTokenEntity, { id });
      if (known) {
        if (!isSame(known, { name, tenantId, rooms })) throw new AppError('ID_TAKEN');
        return known;
      }
      // Nobody takes these any more.
      await em.nativeDelete(ServiceTokenEntity, { expiresAt: { $lt: this.#forgotten() } });
      const createdAt = nowOf(this.#context);
      const expiresAt = new Date(createdAt.getTime() + Math.min(lifeMs, MAX_TOKEN_MS));
      const row = { id, name, tenantId, rooms, createdAt, expiresAt, revokedAt: null };
      em.create(ServiceTokenEntity, row, { persist: true });
      return row;
    });
  }

  /** What has ended before is ended by the clock of every gateway. */
  #forgotten(): Date {
    return new Date(this.#context.clock.wallTime() - TOLERANCE_MS);
  }
}

type Content = Pick<ServiceTokenRow, 'name' | 'tenantId' | 'rooms'>;

function isSame(one: Content, other: Content): boolean {
  const essence = ({ name, tenantId, rooms }: Content) =>
    JSON.stringify([name, tenantId, Object.entries(rooms).sort()]);
  return essence(one) === essence(other);
}

function viewOf({ id, name, tenantId, rooms, ...row }: ServiceTokenRow): ServiceTokenView {
  return {
    id,
    name,
    tenantId,
    rooms,
    createdAt: row.createdAt.toISOString(),
    expiresAt: row.expiresAt.toISOString(),
    revokedAt: row.revokedAt?.toISOString() ?? null,
  };
}
