import type { Context, Service, ServiceSchema } from 'moleculer';
import type { RoleOnBoard } from '../lib/accounts/permissions.ts';
import { accountsOf } from '../lib/broker/accounts-of.ts';
import { declareActions } from '../lib/broker/actions.ts';
import { holdRelay } from '../lib/broker/relay-of.ts';
import { runtimeOf, type Runtime } from '../lib/broker/runtime.ts';
import { createPermissionDoor } from '../lib/http/permission-door.ts';

interface PermissionsService extends Service {
  runtime: Runtime;
  leaveRelay: (() => Promise<void>) | undefined;
}

/** The one place that answers "may this user do this to this room". */
const schema: ServiceSchema<object, PermissionsService> = {
  name: 'permissions',
  actions: declareActions<PermissionsService>({
    /** The role that counts, with the tenant of the room's documents; null for a stranger and for no such room. */
    get: {
      repetition: 'idempotent',
      params: {
        $$strict: true,
        userId: { type: 'string', min: 1, max: 128 },
        roomId: { type: 'string', min: 1, max: 128 },
      },
      async handler(
        this: PermissionsService,
        ctx: Context<{ userId: string; roomId: string }>,
      ): Promise<RoleOnBoard | null> {
        const { userId, roomId } = ctx.params;
        // Boards have UUIDs as the server writes them: in capitals it would be the same board to the database, and another
        // room to everybody else.
        if (!isUuid(userId) || !isUuid(roomId)) return null;
        const { permissions } = await accountsOf(this.runtime);
        return (await permissions.roleOn(roomId, userId)) ?? null;
      },
    },
  }),
  created(this: PermissionsService) {
    this.runtime = runtimeOf(this.broker);
    const { config, logger } = this.runtime;
    if (config.internalSecret === '') return;
    const roleOn = async (boardId: string, userId: string) =>
      (await (await accountsOf(this.runtime)).permissions.roleOn(boardId, userId))?.role;
    this.runtime.serveInternal(createPermissionDoor({ secret: config.internalSecret, roleOn, logger }));
  },
  started(this: PermissionsService) {
    // One that starts takes along what a process has left that died.
    this.leaveRelay = holdRelay(this.runtime);
  },
  async stopped(this: PermissionsService) {
    await this.leaveRelay?.();
  },
};

function isUuid(text: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text);
}

export default schema;
