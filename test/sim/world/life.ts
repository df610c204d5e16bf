import { tryDecodeControl, tryDecodeEnvelope, type BarrierMessage } from '../../../lib/protocol/envelope.ts';
import type { DeliveredRecord } from '../../../lib/stream/port.ts';

export interface CountedBarrier extends BarrierMessage {
  offset: number;
  senderId: string;
}

/** The generations of a document as the order of its log has them: nothing of the code under test is asked. */
export interface Life {
  generation: number;
  deleted: boolean;
  /** Nothing of this generation or an earlier one is left; 0 = never deleted. */
  deletedGeneration: number;
  /** Those that raised the generation, in order. */
  barriers: CountedBarrier[];
  /** Updates that belong to the generation that they name, without repeats. */
  updates: { record: DeliveredRecord; generation: number }[];
}

/** From all records of one document that ever were in the log. */
export function lifeOf(records: readonly DeliveredRecord[]): Life {
  const life: Life = { generation: 1, deleted: false, deletedGeneration: 0, barriers: [], updates: [] };
  const retryKeys = new Set<string>();
  for (const record of records) {
    const barrier = barrierOf(record);
    const { s: sender, c: version, g: generation } = record.headers;
    const retryKey = `${sender} ${version} ${generation}`;
    if (!barrier && Number(generation) === life.generation && !life.deleted && !retryKeys.has(retryKey)) {
      retryKeys.add(retryKey);
      life.updates.push({ record, generation: life.generation });
    }
    if (!barrier || barrier.generation <= life.generation) continue;
    life.generation = barrier.generation;
    life.deleted = barrier.reason === 'deleted';
    if (life.deleted) life.deletedGeneration = barrier.generation;
    life.barriers.push({ ...barrier, offset: record.offset, senderId: record.headers.s! });
  }
  return life;
}

function barrierOf({ value, headers }: DeliveredRecord): BarrierMessage | undefined {
  if (headers.t !== '4') return undefined;
  const envelope = tryDecodeEnvelope(value);
  const control = envelope.ok ? tryDecodeControl(envelope.value.content) : undefined;
  return control?.ok && control.value.op === 'barrier' ? control.value : undefined;
}
