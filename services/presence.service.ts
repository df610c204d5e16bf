import type { Context, Service, ServiceSchema, ServiceSettingSchema } from 'moleculer';
import { MAX_PAGE_SIZE, pageOf, type ListQuery, type Page } from '../lib/accounts/paging.ts';
import { strictly } from '../lib/accounts/params.ts';
import type { BoardView } from '../lib/accounts/views.ts';
import { declareActions } from '../lib/broker/actions.ts';
import { actorOf, type CallMeta } from '../lib/broker/actor.ts';
import { openPresenceReader } from '../lib/broker/presence-of.ts';
import { runtimeOf, type Runtime } from '../lib/broker/runtime.ts';
import { AppError } from '../lib/errors.ts';
import { windowOfPage } from '../lib/presence/reader.ts';
import type { PeopleSlice, PersonView, PresenceReader } from '../lib/presence/reader.ts';
import { idParam } from '../lib/sync/params.ts';

interface PresenceService extends Service {
  runtime: Runtime;
  reader: PresenceReader | undefined;
}

type Call<Params> = Context<Params, CallMeta>;

/** The REPL takes an id of digits for a number. */
const typedId = { ...idParam, convert: true } as const;
const tenantParam = { ...typedId, optional: true } as const;

/** Who is on a board now, at all gateways, for who is not in it: the gateways hold it, this service asks. */
const schema: ServiceSchema<ServiceSettingSchema, PresenceService> = {
  name: 'presence',
  actions: declareActions<PresenceService>({
    /** The people on a board, as the principal of the call, who must be allowed to see it. */
    'people.list': {
      repetition: 'idempotent',
      params: strictly('presence.people.list'),
      async handler(
        this: PresenceService,
        ctx: Call<{ boardId: string } & ListQuery>,
      ): Promise<Page<PersonView>> {
        const { boardId, ...query } = ctx.params;
        const found = await ctx.call<{ tenantId: string } | null, object>('permissions.get', {
          userId: actorOf(ctx),
          roomId: boardId,
        });
        if (!found) throw new AppError('BOARD_NOT_FOUND');
        const room = { tenantId: found.tenantId, roomId: boardId };
        const { people, total } = await this.reader!.people(room, windowOfPage(query));
        return pageOf(people, total, query);
      },
    },
    /** How many are on each of a workspace's boards; the query is that of `boards.list`, and so are the rows. */
    'boards.count': {
      repetition: 'idempotent',
      params: strictly('presence.boards.count'),
      async handler(this: PresenceService, ctx: Call<{ workspaceId: string } & ListQuery>) {
        const boards = await ctx.call<Page<BoardView>, object>('boards.list', ctx.params);
        const rooms = boards.rows.map(({ id, workspaceId }) => ({ tenantId: workspaceId, roomId: id }));
        const counts = rooms.length > 0 ? await this.reader!.count(rooms) : [];
        return { ...boards, rows: rooms.map(({ roomId }, at) => ({ boardId: roomId, people: counts[at]! })) };
      },
    },
    /** For an operator: the people of any room, by default of the tenant of connections that carry none. */
    'rooms.get': {
      repetition: 'idempotent',
      params: {
        $$strict: true,
        roomId: typedId,
        tenantId: tenantParam,
        page: { type: 'number', integer: true, min: 1, convert: true, optional: true },
        pageSize: {
          type: 'number',
          integer: true,
          min: 1,
          max: MAX_PAGE_SIZE,
          convert: true,
          optional: true,
        },
      },
      handler(
        this: PresenceService,
        ctx: Call<{ roomId: string; tenantId?: string } & ListQuery>,
      ): Promise<PeopleSlice> {
        const { roomId, tenantId = this.runtime.config.tenant, ...query } = ctx.params;
        return this.reader!.people({ tenantId, roomId }, windowOfPage({ pageSize: MAX_PAGE_SIZE, ...query }));
      },
    },
    /** For an operator: how many are in each room; null where it cannot be told now. */
    'rooms.count': {
      repetition: 'idempotent',
      params: {
        $$strict: true,
        roomIds: { type: 'array', convert: true, min: 1, max: MAX_PAGE_SIZE, items: typedId },
        tenantId: tenantParam,
      },
      async handler(this: PresenceService, ctx: Call<{ roomIds: string[]; tenantId?: string }>) {
        const { roomIds, tenantId = this.runtime.config.tenant } = ctx.params;
        const counts = await this.reader!.count(roomIds.map((roomId) => ({ tenantId, roomId })));
        return Object.fromEntries(roomIds.map((roomId, at) => [roomId, counts[at]!]));
      },
    },
  }),
  created(this: PresenceService) {
    this.runtime = runtimeOf(this.broker);
    this.runtime.health.register('presence', () => ({ ready: this.reader !== undefined }));
  },
  started(this: PresenceService) {
    this.reader = openPresenceReader(this.broker, this.runtime);
  },
  async stopped(this: PresenceService) {
    await this.reader?.stop();
    this.reader = undefined;
  },
};

export default schema;
