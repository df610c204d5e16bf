import { AppError } from '../errors.ts';
import type { RoomOfTenant } from '../stream/topics.ts';
import type { PeopleSlice, PeopleWindow, PresenceReader } from './reader.ts';

/** The gateways as they can be asked. */
export interface Gateways {
  /** Of those that are not known to be dead. */
  ids(): string[];
  /** What this gateway knows: everybody in a room where it has a connection, nobody in any other. */
  people(id: string, room: RoomOfTenant, window: PeopleWindow): Promise<PeopleSlice>;
  count(id: string, rooms: readonly RoomOfTenant[]): Promise<number[]>;
}

/**
 * Asks every gateway. Each that has somebody in a room has the picture of all of it, dead gateways and outages
 * considered, so one answer is enough; one that does not answer matters only where nobody else knows of anybody.
 */
export class AskedGateways implements PresenceReader {
  readonly #gateways: Gateways;

  constructor(gateways: Gateways) {
    this.#gateways = gateways;
  }

  async people(room: RoomOfTenant, window: PeopleWindow): Promise<PeopleSlice> {
    const { answers, isWhole } = await this.#ask((id) => this.#gateways.people(id, room, window));
    const fullest = answers.reduce((a, b) => (b.total > a.total ? b : a), { total: 0, people: [] });
    if (fullest.total > 0 || isWhole) return fullest;
    throw new AppError('SERVICE_UNAVAILABLE', { message: 'Who is there cannot be told now.' });
  }

  async count(rooms: readonly RoomOfTenant[]): Promise<(number | null)[]> {
    const { answers, isWhole } = await this.#ask((id) => this.#gateways.count(id, rooms));
    return rooms.map((_, at) => {
      const most = Math.max(0, ...answers.map((counts) => counts[at]!));
      return most > 0 || isWhole ? most : null;
    });
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }

  async #ask<T>(one: (id: string) => Promise<T>): Promise<{ answers: T[]; isWhole: boolean }> {
    const settled = await Promise.allSettled(this.#gateways.ids().map(one));
    const answers = settled.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    return { answers, isWhole: answers.length > 0 && answers.length === settled.length };
  }
}
