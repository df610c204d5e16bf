import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';
import { HeardBeats } from '../presence/heard-beats.ts';
import { ProtocolMessageType } from '../protocol/message-types.ts';
import type { Stream, TopicPartition } from '../stream/port.ts';
import { keyOf } from './follower-pool.ts';
import { RecordHeader } from './record-headers.ts';

export interface GatewayBeatsParts {
  stream: Stream;
  clock: Clock;
  logger: Logger;
  gatewayId: string;
  beatTimeoutMs: number;
  /** Awareness partitions in use. */
  targets: () => TopicPartition[];
}

/** Key of beat records; no document has it. */
export const BEAT_KEY = 'beat';

/** Which gateways live, by what they append to the awareness partitions. */
export class GatewayBeats {
  readonly #parts: GatewayBeatsParts;
  readonly #partitions = new Map<string, HeardBeats>();

  constructor(parts: GatewayBeatsParts) {
    this.#parts = parts;
  }

  /** Appends a beat to every partition in use (droppable). */
  send(): void {
    const { stream, gatewayId, logger, targets } = this.#parts;
    const headers = {
      [RecordHeader.Gateway]: gatewayId,
      [RecordHeader.Type]: String(ProtocolMessageType.Control),
    };
    const record = { key: BEAT_KEY, value: new Uint8Array([0]), headers };
    const inUse = targets();
    const keys = new Set(inUse.map(keyOf));
    for (const key of this.#partitions.keys()) if (!keys.has(key)) this.#partitions.delete(key);
    for (const target of inUse) {
      stream.append(target, [record], { durability: 'droppable' }).catch((error: unknown) => {
        // The next beat tries again; a room topic may not exist yet.
        logger.debug({ err: error }, 'beat not appended');
      });
    }
  }

  /** True when the own beat comes back after it was away: others may have believed this gateway dead. */
  heard(target: TopicPartition, gateway: string): boolean {
    return this.#of(target).heard(gateway, this.#parts.clock.now());
  }

  /** True only when the other would have been heard if it were there: own beats have come back since. */
  isSilent(target: TopicPartition, gateway: string): boolean {
    return this.#of(target).isSilent(gateway);
  }

  #of(target: TopicPartition): HeardBeats {
    const key = keyOf(target);
    let beats = this.#partitions.get(key);
    if (!beats) {
      const { gatewayId, beatTimeoutMs, clock } = this.#parts;
      beats = new HeardBeats({ own: gatewayId, timeoutMs: beatTimeoutMs, nowMs: clock.now() });
      this.#partitions.set(key, beats);
    }
    return beats;
  }
}
