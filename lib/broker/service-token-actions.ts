import type { Context, Service } from 'moleculer';
import type { Auth } from '../accounts/auth.ts';
import { MAX_PAGE_SIZE, type ListQuery } from '../accounts/paging.ts';
import type { NewServiceToken } from '../accounts/service-tokens.ts';
import { MAX_TOKEN_MS } from '../accounts/signing-keys.ts';
import { AppError } from '../errors.ts';
import type { DeclaredAction } from './actions.ts';

interface AuthHolder extends Service {
  auth: Auth | undefined;
}

/** Rejects with SERVICE_UNAVAILABLE before the start and after the stop. */
export function openedAuth({ auth }: AuthHolder): Auth {
  if (!auth) throw new AppError('SERVICE_UNAVAILABLE');
  return auth;
}

/** The REPL takes a name of digits for a number. */
const nameParam = { type: 'string', pattern: '^[\\w.-]{1,64}$', convert: true } as const;
const idParam = { type: 'uuid' } as const;
const optional = { optional: true } as const;
const pageParam = { type: 'number', integer: true, min: 1, convert: true, optional: true } as const;

/** Of the auth service, for an operator: tokens of servers that act by themselves in the rooms that are named. */
export const serviceTokenActions: Record<string, DeclaredAction<AuthHolder>> = {
  /** Without an id a second run makes another token, which ends by itself. */
  'serviceTokens.create': {
    repetition: { key: 'id' },
    params: {
      $$strict: true,
      id: { ...idParam, ...optional },
      name: nameParam,
      tenantId: nameParam,
      rooms: {
        type: 'record',
        key: 'string',
        value: { type: 'enum', values: ['viewer', 'editor', 'owner'] },
      },
      lifeMs: { type: 'number', integer: true, min: 1_000, max: MAX_TOKEN_MS, default: MAX_TOKEN_MS },
    },
    handler(this: AuthHolder, ctx: Context<NewServiceToken>) {
      return openedAuth(this).serviceTokens.create(ctx.params);
    },
  },
  /** Those that have not ended, the newest first; none of them is in the answer itself. */
  'serviceTokens.list': {
    repetition: 'idempotent',
    params: {
      $$strict: true,
      tenantId: { ...nameParam, ...optional },
      page: pageParam,
      pageSize: { ...pageParam, max: MAX_PAGE_SIZE },
    },
    handler(this: AuthHolder, ctx: Context<{ tenantId?: string } & ListQuery>) {
      return openedAuth(this).serviceTokens.list(ctx.params);
    },
  },
  /** Ends one by its id, or all of a name: at once at every gateway, with the connections that they have opened. */
  'serviceTokens.revoke': {
    repetition: 'idempotent',
    params: {
      $$strict: true,
      id: { ...idParam, ...optional },
      name: { ...nameParam, ...optional },
      tenantId: { ...nameParam, ...optional },
    },
    handler(this: AuthHolder, ctx: Context<{ id?: string; name?: string; tenantId?: string }>) {
      const { id, name, tenantId } = ctx.params;
      if ((id === undefined) === (name === undefined))
        throw new AppError('BAD_INPUT', { message: 'Either `id` or `name` says which tokens are meant.' });
      const inTenant = tenantId === undefined ? {} : { tenantId };
      const choice = id === undefined ? { name: name! } : { id };
      return openedAuth(this).serviceTokens.revoke({ ...choice, ...inTenant });
    },
  },
  /** For the gateways: whose tokens are taken no more, ended sessions too, in order, the next ones behind `after`. */
  'revokedTokens.list': {
    repetition: 'idempotent',
    params: { $$strict: true, after: { ...idParam, ...optional } },
    async handler(this: AuthHolder, ctx: Context<{ after?: string }>) {
      return { ids: await openedAuth(this).revokedIds(ctx.params.after) };
    },
  },
};
