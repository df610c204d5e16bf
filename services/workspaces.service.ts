import type { Context, Service, ServiceSchema, ServiceSettingSchema } from 'moleculer';
import type { Accounts } from '../lib/accounts/accounts.ts';
import type { WorkspaceMembersQuery } from '../lib/accounts/member-page.ts';
import { strictly } from '../lib/accounts/params.ts';
import type { WorkspaceRole } from '../lib/accounts/rules.ts';
import type { WorkspacesQuery } from '../lib/accounts/workspaces.ts';
import { AppError } from '../lib/errors.ts';
import { accountsOf } from '../lib/broker/accounts-of.ts';
import { declareActions } from '../lib/broker/actions.ts';
import { actorOf, type CallMeta } from '../lib/broker/actor.ts';
import { holdRelay } from '../lib/broker/relay-of.ts';
import { runtimeOf } from '../lib/broker/runtime.ts';

interface WorkspacesService extends Service {
  accounts: Accounts | undefined;
  /** Lets go of what tells the gateways of changed rights. */
  leaveRelay: (() => Promise<void>) | undefined;
}

type Call<Params> = Context<Params, CallMeta>;
interface Named {
  workspaceId: string;
}
type Member = Named & { userId: string };

/** Workspaces and who belongs to them. Everything is done as the principal of the call. */
const schema: ServiceSchema<ServiceSettingSchema, WorkspacesService> = {
  name: 'workspaces',
  actions: declareActions<WorkspacesService>({
    list: {
      repetition: 'idempotent',
      params: strictly('workspaces.list'),
      handler(this: WorkspacesService, ctx: Call<WorkspacesQuery>) {
        return this.accounts!.workspaces.list(actorOf(ctx), ctx.params);
      },
    },
    get: {
      repetition: 'idempotent',
      params: strictly('workspaces.get'),
      handler(this: WorkspacesService, ctx: Call<Named>) {
        return this.accounts!.workspaces.get(actorOf(ctx), ctx.params.workspaceId);
      },
    },
    create: {
      repetition: { key: 'id' },
      params: strictly('workspaces.create'),
      handler(this: WorkspacesService, ctx: Call<{ id: string; name: string }>) {
        return this.accounts!.workspaces.create(actorOf(ctx), ctx.params);
      },
    },
    update: {
      repetition: 'idempotent',
      params: strictly('workspaces.update'),
      handler(this: WorkspacesService, ctx: Call<Named & { name: string }>) {
        return this.accounts!.workspaces.update(actorOf(ctx), ctx.params.workspaceId, ctx.params);
      },
    },
    /** Closes it with its boards. */
    remove: {
      repetition: 'idempotent',
      params: strictly('workspaces.remove'),
      async handler(this: WorkspacesService, ctx: Call<Named>) {
        await this.accounts!.workspaces.remove(actorOf(ctx), ctx.params.workspaceId);
      },
    },
    leave: {
      repetition: 'idempotent',
      params: strictly('workspaces.leave'),
      async handler(this: WorkspacesService, ctx: Call<Named>) {
        const memberId = actorOf(ctx);
        await this.accounts!.workspaceMembers.remove(memberId, { ...ctx.params, memberId });
      },
    },
    'members.list': {
      repetition: 'idempotent',
      params: strictly('workspaces.members.list'),
      handler(this: WorkspacesService, ctx: Call<Named & WorkspaceMembersQuery>) {
        const { workspaceId, ...query } = ctx.params;
        return this.accounts!.workspaceMembers.list(actorOf(ctx), workspaceId, query);
      },
    },
    /** Somebody with an account, by `userId` or `email`. */
    'members.add': {
      repetition: 'idempotent',
      params: strictly('workspaces.members.add'),
      handler(
        this: WorkspacesService,
        ctx: Call<Named & { userId?: string | null; email?: string | null; role: WorkspaceRole }>,
      ) {
        const { workspaceId, userId, email, role } = ctx.params;
        if ((userId ?? undefined) === undefined ? !email : email)
          throw new AppError('BAD_INPUT', { message: 'Exactly one of `userId` and `email` is needed.' });
        const who = userId ? { memberId: userId } : { email: email! };
        return this.accounts!.workspaceMembers.add(actorOf(ctx), workspaceId, { ...who, role });
      },
    },
    'members.update': {
      repetition: 'idempotent',
      params: strictly('workspaces.members.update'),
      async handler(this: WorkspacesService, ctx: Call<Member & { role: WorkspaceRole }>) {
        const { workspaceId, userId, role } = ctx.params;
        const target = { workspaceId, memberId: userId };
        await this.accounts!.workspaceMembers.update(actorOf(ctx), target, { role });
      },
    },
    /** Takes the roles on the workspace's boards too. */
    'members.remove': {
      repetition: 'idempotent',
      params: strictly('workspaces.members.remove'),
      async handler(this: WorkspacesService, ctx: Call<Member>) {
        const { workspaceId, userId } = ctx.params;
        await this.accounts!.workspaceMembers.remove(actorOf(ctx), { workspaceId, memberId: userId });
      },
    },
  }),
  created(this: WorkspacesService) {
    runtimeOf(this.broker).health.register('workspaces', () => ({ ready: this.accounts !== undefined }));
  },
  async started(this: WorkspacesService) {
    this.accounts = await accountsOf(runtimeOf(this.broker));
    this.leaveRelay = holdRelay(runtimeOf(this.broker));
  },
  async stopped(this: WorkspacesService) {
    this.accounts = undefined;
    await this.leaveRelay?.();
  },
};

export default schema;
