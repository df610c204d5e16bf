import { tryDecodeEnvelope, tryDecodeSync } from '../../../lib/protocol/envelope.ts';
import type { DeliveredRecord, Stream } from '../../../lib/stream/port.ts';
import type { LogRecord } from '../oracle/index.ts';

const BARRIER_TYPE = '4';
const MAX_BYTES = 1024 * 1024 * 1024;

/** Every record of a doc topic, as the oracle takes them. */
export async function readLog(
  stream: Stream,
  { topic, partitions, epoch }: { topic: string; partitions: number; epoch: number },
): Promise<LogRecord[]> {
  const found: LogRecord[] = [];
  for (let partition = 0; partition < partitions; partition++) {
    const target = { topic, partition };
    const [fromOffset, toOffset] = [await stream.startOffset(target), await stream.endOffset(target)];
    if (toOffset === fromOffset) continue;
    const { records } = await stream.read({ ...target, fromOffset, toOffset, maxBytes: MAX_BYTES });
    for (const record of records) found.push(toLogRecord(record, { epoch, partition }));
  }
  return found;
}

function toLogRecord(
  { key, value, headers, offset }: DeliveredRecord,
  where: { epoch: number; partition: number },
): LogRecord {
  const place = { ...where, offset };
  const generation = Number(headers.g);
  if (headers.t === BARRIER_TYPE) return { ...place, kind: 'barrier', document: key, generation };
  const envelope = tryDecodeEnvelope(value);
  const sync = envelope.ok ? tryDecodeSync(envelope.value.content) : undefined;
  if (!sync?.ok) return { ...place, kind: 'other' };
  return {
    ...place,
    kind: 'update',
    document: key,
    generation,
    senderId: headers.s ?? '',
    version: Number(headers.c),
    userId: headers.u,
    payload: sync.value.body,
  };
}
