import type { Context, Service } from 'moleculer';
import type { PresenceDoor } from '../gateway/presence-door.ts';
import { MAX_PAGE_SIZE } from '../accounts/paging.ts';
import { sliceOf, type PeopleSlice, type PeopleWindow } from '../presence/reader.ts';
import { idParam } from '../sync/params.ts';
import type { RoomOfTenant } from '../stream/topics.ts';
import type { DeclaredAction } from './actions.ts';

interface PeopleService extends Service {
  gateway: { presence: Pick<PresenceDoor, 'people'> } | undefined;
}

export const roomParams = { tenantId: idParam, roomId: idParam } as const;

/** Of a gateway: the people of its own rooms, all their connections at other gateways included. */
export const peopleActions: Record<string, DeclaredAction<PeopleService>> = {
  'people.list': {
    repetition: 'idempotent',
    params: {
      $$strict: true,
      ...roomParams,
      offset: { type: 'number', integer: true, min: 0 },
      limit: { type: 'number', integer: true, min: 1, max: MAX_PAGE_SIZE },
    },
    handler(this: PeopleService, ctx: Context<RoomOfTenant & PeopleWindow>): PeopleSlice {
      const { tenantId, roomId, ...window } = ctx.params;
      return sliceOf(this.gateway?.presence.people({ tenantId, roomId }) ?? [], window);
    },
  },
  'people.count': {
    repetition: 'idempotent',
    params: {
      $$strict: true,
      rooms: {
        type: 'array',
        max: MAX_PAGE_SIZE,
        items: { type: 'object', strict: true, props: roomParams },
      },
    },
    handler(this: PeopleService, ctx: Context<{ rooms: RoomOfTenant[] }>): { counts: number[] } {
      const counts = ctx.params.rooms.map((room) => this.gateway?.presence.people(room).length ?? 0);
      return { counts };
    },
  },
};
