import type { Context, Service, ServiceSchema, ServiceSettingSchema } from 'moleculer';
import type { Accounts } from '../lib/accounts/accounts.ts';
import type { BoardPurge } from '../lib/accounts/board-purge.ts';
import type { BoardMembersQuery } from '../lib/accounts/member-page.ts';
import type { ListQuery } from '../lib/accounts/paging.ts';
import { strictly } from '../lib/accounts/params.ts';
import type { BoardRole, WriterRole } from '../lib/accounts/rules.ts';
import { accountsOf } from '../lib/broker/accounts-of.ts';
import { declareActions } from '../lib/broker/actions.ts';
import { actorOf, type CallMeta } from '../lib/broker/actor.ts';
import { purgeOf } from '../lib/broker/purge-of.ts';
import { holdRelay } from '../lib/broker/relay-of.ts';
import { runtimeOf } from '../lib/broker/runtime.ts';

interface BoardsService extends Service {
  accounts: Accounts | undefined;
  /** Lets go of what tells the gateways of changed rights. */
  leaveRelay: (() => Promise<void>) | undefined;
  purge: BoardPurge | undefined;
}

type Call<Params> = Context<Params, CallMeta>;
interface Named {
  boardId: string;
}
type Member = Named & { userId: string };
interface DocumentRuleParams {
  id: string;
  document: string;
  read?: BoardRole | null;
  write?: WriterRole | null;
}

/** Boards, each a room, and who has a role on them. Everything is done as the principal of the call. */
const schema: ServiceSchema<ServiceSettingSchema, BoardsService> = {
  name: 'boards',
  actions: declareActions<BoardsService>({
    list: {
      repetition: 'idempotent',
      params: strictly('boards.list'),
      handler(this: BoardsService, ctx: Call<{ workspaceId: string; deleted?: string | null } & ListQuery>) {
        const { workspaceId, deleted, ...query } = ctx.params;
        const listed = { ...query, deleted: deleted === 'true' };
        return this.accounts!.boards.list(actorOf(ctx), workspaceId, listed);
      },
    },
    'own.list': {
      repetition: 'idempotent',
      params: strictly('boards.own.list'),
      handler(this: BoardsService, ctx: Call<ListQuery>) {
        return this.accounts!.ownBoards.list(actorOf(ctx), ctx.params);
      },
    },
    get: {
      repetition: 'idempotent',
      params: strictly('boards.get'),
      handler(this: BoardsService, ctx: Call<Named>) {
        return this.accounts!.boards.get(actorOf(ctx), ctx.params.boardId);
      },
    },
    create: {
      repetition: { key: 'id' },
      params: strictly('boards.create'),
      handler(this: BoardsService, ctx: Call<{ id: string; workspaceId: string; name: string }>) {
        const { workspaceId, ...board } = ctx.params;
        return this.accounts!.boards.create(actorOf(ctx), workspaceId, board);
      },
    },
    update: {
      repetition: 'idempotent',
      params: strictly('boards.update'),
      handler(
        this: BoardsService,
        ctx: Call<Named & { name?: string | null; thumbnailUrl?: string | null }>,
      ) {
        const { boardId, name, thumbnailUrl } = ctx.params;
        return this.accounts!.boards.update(actorOf(ctx), boardId, {
          ...(typeof name === 'string' ? { name } : {}),
          ...(thumbnailUrl === undefined ? {} : { thumbnailUrl }),
        });
      },
    },
    /** Closes it; it can be restored for the configured time. */
    remove: {
      repetition: 'idempotent',
      params: strictly('boards.remove'),
      async handler(this: BoardsService, ctx: Call<Named>) {
        await this.accounts!.boards.remove(actorOf(ctx), ctx.params.boardId);
      },
    },
    restore: {
      repetition: 'idempotent',
      params: strictly('boards.restore'),
      handler(this: BoardsService, ctx: Call<Named>) {
        return this.accounts!.boards.restore(actorOf(ctx), ctx.params.boardId);
      },
    },
    leave: {
      repetition: 'idempotent',
      params: strictly('boards.leave'),
      async handler(this: BoardsService, ctx: Call<Named>) {
        const memberId = actorOf(ctx);
        await this.accounts!.boardMembers.remove(memberId, { ...ctx.params, memberId });
      },
    },
    /** Makes another member, or somebody of the workspace, the owner. */
    transfer: {
      repetition: 'idempotent',
      params: strictly('boards.transfer'),
      async handler(this: BoardsService, ctx: Call<Member>) {
        const { boardId, userId } = ctx.params;
        await this.accounts!.boardMembers.transfer(actorOf(ctx), { boardId, memberId: userId });
      },
    },
    'members.list': {
      repetition: 'idempotent',
      params: strictly('boards.members.list'),
      handler(this: BoardsService, ctx: Call<Named & BoardMembersQuery>) {
        const { boardId, ...query } = ctx.params;
        return this.accounts!.boardMembers.list(actorOf(ctx), boardId, query);
      },
    },
    /** Gives a role to a member, or to somebody of the workspace. */
    'members.update': {
      repetition: 'idempotent',
      params: strictly('boards.members.update'),
      async handler(this: BoardsService, ctx: Call<Member & { role: BoardRole }>) {
        const { boardId, userId, role } = ctx.params;
        await this.accounts!.boardMembers.update(actorOf(ctx), { boardId, memberId: userId }, { role });
      },
    },
    'members.remove': {
      repetition: 'idempotent',
      params: strictly('boards.members.remove'),
      async handler(this: BoardsService, ctx: Call<Member>) {
        const { boardId, userId } = ctx.params;
        await this.accounts!.boardMembers.remove(actorOf(ctx), { boardId, memberId: userId });
      },
    },
    /** Documents that need a higher role than the board. */
    'rules.list': {
      repetition: 'idempotent',
      params: strictly('boards.rules.list'),
      handler(this: BoardsService, ctx: Call<Named & ListQuery>) {
        const { boardId, ...query } = ctx.params;
        return this.accounts!.documentRules.list(actorOf(ctx), boardId, query);
      },
    },
    'rules.set': {
      repetition: { key: 'id' },
      params: strictly('boards.rules.set'),
      handler(this: BoardsService, ctx: Call<Named & DocumentRuleParams>) {
        const { boardId, id, document, read, write } = ctx.params;
        return this.accounts!.documentRules.set(actorOf(ctx), boardId, {
          id,
          document,
          ...(read ? { read } : {}),
          ...(write ? { write } : {}),
        });
      },
    },
    'rules.remove': {
      repetition: 'idempotent',
      params: strictly('boards.rules.remove'),
      async handler(this: BoardsService, ctx: Call<Named & { ruleId: string }>) {
        await this.accounts!.documentRules.remove(actorOf(ctx), ctx.params);
      },
    },
  }),
  created(this: BoardsService) {
    runtimeOf(this.broker).health.register('boards', () => ({ ready: this.accounts !== undefined }));
  },
  async started(this: BoardsService) {
    const runtime = runtimeOf(this.broker);
    this.accounts = await accountsOf(runtime);
    this.leaveRelay = holdRelay(runtime);
    this.purge = await purgeOf(this.broker, runtime);
    this.purge.start();
  },
  async stopped(this: BoardsService) {
    this.accounts = undefined;
    await this.purge?.stop();
    await this.leaveRelay?.();
  },
};

export default schema;
