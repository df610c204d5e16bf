import type { Context, Service, ServiceSchema, ServiceSettingSchema } from 'moleculer';
import type { Accounts } from '../lib/accounts/accounts.ts';
import type { InvitesQuery } from '../lib/accounts/invite-page.ts';
import { strictly } from '../lib/accounts/params.ts';
import type { BoardRole } from '../lib/accounts/rules.ts';
import { accountsOf } from '../lib/broker/accounts-of.ts';
import { declareActions } from '../lib/broker/actions.ts';
import { actorOf, type CallMeta } from '../lib/broker/actor.ts';
import { holdRelay } from '../lib/broker/relay-of.ts';
import { runtimeOf } from '../lib/broker/runtime.ts';

interface InvitesService extends Service {
  accounts: Accounts | undefined;
  /** Lets go of what tells the gateways of changed rights. */
  leaveRelay: (() => Promise<void>) | undefined;
}

type Call<Params> = Context<Params, CallMeta>;

interface NewInvite {
  id: string;
  token: string;
  boardId: string;
  role: BoardRole;
  expiresAt?: string | null;
  maxUses?: number | null;
}

/** Links that give a role on a board. */
const schema: ServiceSchema<ServiceSettingSchema, InvitesService> = {
  name: 'invites',
  actions: declareActions<InvitesService>({
    /** `token` is made by whoever calls, so that the same request twice makes one link; only its hash is stored. */
    create: {
      repetition: { key: 'id' },
      params: strictly('invites.create'),
      handler(this: InvitesService, ctx: Call<NewInvite>) {
        const { boardId, expiresAt, ...invite } = ctx.params;
        return this.accounts!.invites.create(actorOf(ctx), boardId, {
          ...invite,
          expiresAt: expiresAt ? new Date(expiresAt) : null,
        });
      },
    },
    list: {
      repetition: 'idempotent',
      params: strictly('invites.list'),
      handler(this: InvitesService, ctx: Call<{ boardId: string } & InvitesQuery>) {
        const { boardId, ...query } = ctx.params;
        return this.accounts!.invites.list(actorOf(ctx), boardId, query);
      },
    },
    revoke: {
      repetition: 'idempotent',
      params: strictly('invites.revoke'),
      async handler(this: InvitesService, ctx: Call<{ boardId: string; inviteId: string }>) {
        await this.accounts!.invites.revoke(actorOf(ctx), ctx.params);
      },
    },
    /** For who has the link, signed in or not. */
    preview: {
      repetition: 'idempotent',
      params: strictly('invites.preview'),
      handler(this: InvitesService, ctx: Call<{ token: string }>) {
        return this.accounts!.invites.preview(ctx.params.token);
      },
    },
    accept: {
      repetition: 'idempotent',
      params: strictly('invites.accept'),
      handler(this: InvitesService, ctx: Call<{ token: string }>) {
        return this.accounts!.invites.accept(actorOf(ctx), ctx.params.token);
      },
    },
  }),
  created(this: InvitesService) {
    runtimeOf(this.broker).health.register('invites', () => ({ ready: this.accounts !== undefined }));
  },
  async started(this: InvitesService) {
    this.accounts = await accountsOf(runtimeOf(this.broker));
    this.leaveRelay = holdRelay(runtimeOf(this.broker));
  },
  async stopped(this: InvitesService) {
    this.accounts = undefined;
    await this.leaveRelay?.();
  },
};

export default schema;
