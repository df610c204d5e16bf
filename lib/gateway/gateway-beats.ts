import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';
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

interface PartitionBeats {
  heardAtMs: Map<string, number>;
  ownHeardAtMs: number;
}

/** Key of beat records; no document has it. */
const BEAT_KEY = 'beat';

/** Which gateways live, by what they append to the awareness partitions. */
export class GatewayBeats {
  readonly #parts: GatewayBeatsParts;
  readonly #partitions = new Map<string, PartitionBeats>();

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

  heard(target: TopicPartition, gateway: string): void {
    const beats = this.#of(target);
    const now = this.#parts.clock.now();
    if (gateway !== this.#parts.gatewayId) {
      beats.heardAtMs.set(gateway, now);
      return;
    }
    // After an outage of the log the others were not heard either: they get their time again.
    if (now - beats.ownHeardAtMs > this.#parts.beatTimeoutMs)
      for (const known of beats.heardAtMs.keys()) beats.heardAtMs.set(known, now);
    beats.ownHeardAtMs = now;
  }

  /** True only when the others would be heard if they were there: the own beat comes back. */
  isSilent(target: TopicPartition, gateway: string): boolean {
    const beats = this.#of(target);
    const { clock, beatTimeoutMs } = this.#parts;
    const before = clock.now() - beatTimeoutMs;
    if (beats.ownHeardAtMs < before) return false;
    const heardAtMs = beats.heardAtMs.get(gateway);
    return heardAtMs !== undefined && heardAtMs < before;
  }

  #of(target: TopicPartition): PartitionBeats {
    const key = keyOf(target);
    let beats = this.#partitions.get(key);
    if (!beats) {
      beats = { heardAtMs: new Map(), ownHeardAtMs: this.#parts.clock.now() };
      this.#partitions.set(key, beats);
    }
    return beats;
  }
}
