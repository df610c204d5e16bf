import type { RoomOfTenant } from '../stream/topics.ts';
import type { PresenceMessage, SeenState } from './messages.ts';

/** How gateways hear of each other. What is published may be lost, but never comes out of order. */
export interface PresenceBus {
  /** Resolves when messages of the room are handed on from now on, also those of this gateway. */
  open(room: RoomOfTenant): Promise<void>;
  close(room: RoomOfTenant): void;
  publish(room: RoomOfTenant, message: PresenceMessage): void;
  /** Never true while this gateway does not hear itself. */
  isSilent(room: RoomOfTenant, gateway: string): boolean;
  /** What is shown in a room, also where no other gateway has to be told: a bus that others read keeps it. */
  keep?(room: RoomOfTenant, states: readonly SeenState[]): void;
  /** Connections that another gateway does not take away itself: a bus that keeps them somewhere forgets them. */
  forget?(room: RoomOfTenant, connectionIds: readonly string[]): void;
  beat(): void;
  stop(): Promise<void>;
}

/** What a bus tells. */
export interface PresenceBusEvents {
  onMessage(room: RoomOfTenant, gateway: string, message: PresenceMessage): void;
  /** Messages may have been missed, or others may have believed this gateway dead; of all rooms without one. */
  onGap(room?: RoomOfTenant): void;
  /** The own beat has come back: who was not heard for the time-out has gone; of all rooms without one. */
  onBeat(room?: RoomOfTenant): void;
}
