import type { Clock } from '../clock.ts';
import type { DocumentChange } from '../lifecycle/announcement.ts';
import { ControlFollow } from '../lifecycle/control-follow.ts';
import type { Logger } from '../log.ts';
import { documentKey } from '../protocol/ids.ts';
import type { Stream, StreamRecord } from '../stream/port.ts';
import type { ClientSession } from './client-session.ts';
import type { HostedDocument } from './hosted-document.ts';
import type { Joins } from './joins.ts';
import type { RoomRegistry } from './port.ts';

export interface ControlClosingParts {
  stream: Pick<Stream, 'follow'>;
  controlTopic: string;
  clock: Clock;
  logger: Logger;
  registry: RoomRegistry<HostedDocument>;
  sessions: ReadonlySet<ClientSession>;
  joins: Pick<Joins, 'end'>;
  /** Every record of the control topic. */
  onRecord?: (record: StreamRecord) => void;
  /** Records of it may have been missed. */
  onGap?: () => void;
}

/**
 * Ends what a barrier ends. The barrier in the document's own partition decides; the control topic lets the door
 * refuse what could only be appended behind it, also while this gateway's follow lags (design rule 14).
 */
export class ControlClosing {
  readonly #parts: ControlClosingParts;
  readonly #follow: ControlFollow;

  constructor(parts: ControlClosingParts) {
    this.#parts = parts;
    this.#follow = new ControlFollow({ ...parts, onChange: (change) => this.#announced(change) });
  }

  /** Resolves when the control topic is followed, or will be. Never rejects. */
  start(): Promise<void> {
    return this.#follow.start();
  }

  stop(): Promise<void> {
    return this.#follow.stop();
  }

  /** Tells every connection that has joined a deleted document, and ends its subscription. */
  close(document: HostedDocument): void {
    const { sessions, joins } = this.#parts;
    const { address, key, log } = document;
    for (const session of sessions) {
      const subscription = session.subscriptions.get(key);
      if (!subscription) continue;
      session.nack('DOCUMENT_DELETED', { address, position: log.barrier });
      joins.end(session, subscription);
    }
  }

  #announced({ document, position, deleted }: DocumentChange): void {
    this.#parts.registry.get(documentKey(document))?.log.announce(position, deleted);
  }
}
