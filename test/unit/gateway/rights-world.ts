import type { DocumentLimit } from '../../../lib/accounts/document-limits.ts';
import { systemClock, type Clock } from '../../../lib/clock.ts';
import type { Config } from '../../../lib/config.ts';
import { createAccountAccess } from '../../../lib/gateway/account-access.ts';
import type { AccessControl } from '../../../lib/gateway/port.ts';
import { RoomRoles, type RoleAnswer, type RoomRole } from '../../../lib/gateway/room-roles.ts';
import { encodeAccessChange, type AccessChange } from '../../../lib/lifecycle/access-record.ts';
import type { Stream } from '../../../lib/stream/port.ts';
import { waitFor } from '../../support/wait.ts';
import { startGateway, type TestLog } from './harness.ts';
import { RawClient } from './raw-client.ts';

export const A = { roomId: 'board-1', docId: 'a' };
export const TENANT = 'workspace-1';

/** Who decides: a table that a test changes, and that can be away. */
export class Deciders {
  readonly table = new Map<string, RoomRole>();
  /** Of everybody who is no owner. */
  limits: DocumentLimit[] = [];
  isAway = false;
  asked = 0;
  /** Holds the answers until the test lets them go. */
  hold: Promise<void> | undefined;

  readonly lookUp = async (userId: string, roomId: string): Promise<RoleAnswer> => {
    this.asked++;
    if (this.isAway) throw new Error('away');
    const role = this.table.get(`${userId} ${roomId}`);
    await this.hold;
    return role && { role, tenantId: TENANT, limits: role === 'owner' ? [] : [...this.limits] };
  };

  give(userId: string, role: RoomRole | undefined, roomId = A.roomId): void {
    if (role) this.table.set(`${userId} ${roomId}`, role);
    else this.table.delete(`${userId} ${roomId}`);
  }
}

interface StartOptions extends Partial<Config> {
  /** Faults are injected here. */
  stream?: Stream;
  wrapAccess?: (access: AccessControl) => AccessControl;
  clock?: Clock;
  /** It reads the control topic when this returns, unless the test holds that back. */
  isReading?: boolean;
}

/** A gateway that knows people by their names (and tenants, behind an `@`), and what they may do by the deciders. */
export async function startWith(
  log: TestLog,
  deciders: Deciders,
  {
    stream,
    wrapAccess = (access) => access,
    clock = systemClock,
    isReading = true,
    ...config
  }: StartOptions = {},
) {
  const options = { accessTtlMs: 300_000, accessGraceMs: 900_000, ...config };
  const roles = new RoomRoles({
    clock,
    lookUp: deciders.lookUp,
    ttlMs: options.accessTtlMs,
  });
  const access = createAccountAccess(roles, async (auth) => {
    const { token = '' } = auth as { token?: string };
    const [userId = '', tenantId] = token.split('@');
    const identity = { userId, sessionId: `session-of-${token}` };
    return { ok: true, identity: tenantId === undefined ? identity : { ...identity, tenantId } };
  });
  const started = await startGateway(log, {
    access: wrapAccess(access),
    roles,
    clock,
    config: { auth: 'accounts', ...options },
    ...(stream ? { stream } : {}),
  });
  if (isReading) await waitFor(() => started.gateway.hearsOfRights, { what: 'the control topic is read' });
  return { ...started, roles };
}

export const connect = (url: string, userId: string) => RawClient.connect(url, { auth: { token: userId } });

/** Tells every gateway, as the relay of recorded changes does. */
export async function announce({ stream, topics }: TestLog, change: AccessChange): Promise<void> {
  await stream.append({ topic: topics.controlTopic, partition: 0 }, [encodeAccessChange(change)]);
}

export async function updatesIn({ stream, topics }: TestLog): Promise<number> {
  const target = topics.target('doc', { tenantId: TENANT, ...A });
  const toOffset = await stream.endOffset(target);
  if (toOffset === 0) return 0;
  const { records } = await stream.read({ ...target, fromOffset: 0, toOffset, maxBytes: 1024 * 1024 });
  return records.filter(({ headers }) => headers.t === '0').length;
}

export const codes = (client: RawClient) => client.nacks().map(({ code }) => code);
