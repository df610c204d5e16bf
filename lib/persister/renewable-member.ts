import { pause, type Clock } from '../clock.ts';
import type { Logger } from '../log.ts';
import type { GroupMember, TopicPartition } from '../stream/port.ts';

export interface RenewableMemberParts {
  /** Joins the group. */
  consume: () => Promise<GroupMember>;
  clock: Clock;
  logger: Logger;
}

const RETRY_MS = 1_000;

/** Membership of a group that can be begun anew: another member then knows nothing of what the one before has seen. */
export class RenewableMember {
  readonly #parts: RenewableMemberParts;
  #member: GroupMember | undefined;
  #renewing: Promise<void> | undefined;
  #stopped = false;

  constructor(parts: RenewableMemberParts) {
    this.#parts = parts;
  }

  /** False before the start, while it begins anew, and after the stop. */
  get isMember(): boolean {
    return this.#member !== undefined;
  }

  /** Undefined while it is no member. */
  isAssigned(at: TopicPartition): boolean | undefined {
    return this.#member?.isAssigned(at);
  }

  async start(): Promise<void> {
    this.#member = await this.#parts.consume();
  }

  /** Leaves the group, and joins it again until that has succeeded. */
  renew(onLeft: () => void): void {
    const member = this.#member;
    if (!member || this.#stopped) return;
    this.#member = undefined;
    this.#renewing = this.#renew(member, onLeft);
  }

  /** Idempotent. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#renewing;
    await this.#member?.stop();
    this.#member = undefined;
  }

  async #renew(member: GroupMember, onLeft: () => void): Promise<void> {
    const { clock, logger } = this.#parts;
    await member.stop();
    onLeft();
    while (!this.#stopped) {
      try {
        return await this.start();
      } catch (error) {
        logger.warn({ err: error }, 'consuming failed: trying again');
        await pause(clock, RETRY_MS);
      }
    }
  }
}
