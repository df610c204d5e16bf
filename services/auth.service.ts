import type { Context, Service, ServiceSchema, ServiceSettingSchema } from 'moleculer';
import type { Auth } from '../lib/accounts/auth.ts';
import type { ListQuery } from '../lib/accounts/paging.ts';
import { strictly } from '../lib/accounts/params.ts';
import type { SignInAnswer, SignInRequest } from '../lib/accounts/sign-ins.ts';
import { accountsOf } from '../lib/broker/accounts-of.ts';
import { declareActions } from '../lib/broker/actions.ts';
import { actorOf, type CallMeta } from '../lib/broker/actor.ts';
import { openAuth } from '../lib/broker/auth-of.ts';
import { holdRelay } from '../lib/broker/relay-of.ts';
import { runtimeOf } from '../lib/broker/runtime.ts';
import { openedAuth, serviceTokenActions } from '../lib/broker/service-token-actions.ts';

interface AuthService extends Service {
  auth: Auth | undefined;
  /** Lets go of what tells the gateways of ended sessions. */
  leaveRelay: (() => Promise<void>) | undefined;
}

const tokenParam = { type: 'string', min: 16, max: 128, pattern: '^[\\w-]+$' } as const;
const nameParam = { type: 'string', min: 1, max: 64 } as const;
const urlParam = { type: 'string', min: 8, max: 4_096 } as const;
const userAgentParam = { type: 'string', max: 1_024, optional: true } as const;

/** Who somebody is: sign-in by OpenID providers, sessions, access tokens and their keys. */
const schema: ServiceSchema<ServiceSettingSchema, AuthService> = {
  name: 'auth',
  actions: declareActions<AuthService>({
    /** Names and labels, for a sign-in page. */
    'providers.list': {
      repetition: 'idempotent',
      params: { $$strict: true },
      handler(this: AuthService) {
        return openedAuth(this).providers.list();
      },
    },
    /** The address of the provider to which the browser goes. */
    'signIns.begin': {
      repetition: { key: 'state' },
      params: {
        $$strict: true,
        provider: nameParam,
        state: tokenParam,
        browser: tokenParam,
        redirectUri: urlParam,
        returnTo: { ...urlParam, optional: true },
      },
      handler(this: AuthService, ctx: Context<SignInRequest>) {
        return openedAuth(this).signIns.begin(ctx.params);
      },
    },
    /** Takes what the provider has sent back, once: a second run of one sign-in is refused. */
    'signIns.finish': {
      repetition: { key: 'state' },
      params: {
        $$strict: true,
        provider: nameParam,
        state: tokenParam,
        browser: tokenParam,
        callbackUrl: { ...urlParam, max: 16_384 },
        userAgent: userAgentParam,
      },
      handler(this: AuthService, ctx: Context<SignInAnswer>) {
        return openedAuth(this).signIns.finish(ctx.params);
      },
    },
    /** Replaces the token of a session; the same token again gives the same answer for a while. */
    'sessions.refresh': {
      repetition: { key: 'token' },
      params: { $$strict: true, token: tokenParam },
      handler(this: AuthService, ctx: Context<{ token: string }>) {
        return openedAuth(this).signIns.refresh(ctx.params.token);
      },
    },
    'sessions.end': {
      repetition: 'idempotent',
      params: { $$strict: true, token: tokenParam },
      async handler(this: AuthService, ctx: Context<{ token: string }>) {
        await openedAuth(this).sessions.end(ctx.params.token);
      },
    },
    /** One's own. */
    'sessions.list': {
      repetition: 'idempotent',
      params: strictly('auth.sessions.list'),
      handler(this: AuthService, ctx: Context<ListQuery, CallMeta>) {
        const currentId = ctx.meta.principal?.sessionId;
        return openedAuth(this).sessions.list(actorOf(ctx), { currentId, ...ctx.params });
      },
    },
    /** Ends one of one's own. */
    'sessions.revoke': {
      repetition: 'idempotent',
      params: { $$strict: true, sessionId: { type: 'uuid' } },
      async handler(this: AuthService, ctx: Context<{ sessionId: string }, CallMeta>) {
        await openedAuth(this).sessions.endOne(actorOf(ctx), ctx.params.sessionId);
      },
    },
    /** Who asks. */
    'users.get': {
      repetition: 'idempotent',
      params: { $$strict: true },
      async handler(this: AuthService, ctx: Context<object, CallMeta>) {
        return (await accountsOf(runtimeOf(this.broker))).users.get(actorOf(ctx));
      },
    },
    /** Public keys of access tokens, as a JWKS. */
    'keys.list': {
      repetition: 'idempotent',
      params: { $$strict: true },
      handler(this: AuthService) {
        return openedAuth(this).keys.publicKeys();
      },
    },
    ...serviceTokenActions,
  }),
  created(this: AuthService) {
    runtimeOf(this.broker).health.register('auth', () => ({ ready: this.auth !== undefined }));
  },
  async started(this: AuthService) {
    this.auth = await openAuth(runtimeOf(this.broker));
    this.leaveRelay = holdRelay(runtimeOf(this.broker));
  },
  async stopped(this: AuthService) {
    this.auth = undefined;
    await this.leaveRelay?.();
  },
};

export default schema;
