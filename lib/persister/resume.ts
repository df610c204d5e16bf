import { AppError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { StoreOperations } from '../store/operations.ts';
import { PERSISTER_CONSUMER, type PersistenceAdapter } from '../store/port.ts';
import type { Stream } from '../stream/port.ts';

export interface ResumeParts {
  store: Pick<PersistenceAdapter, 'nextOffset'> & Pick<StoreOperations, 'acceptLoss'>;
  stream: Pick<Stream, 'startOffset' | 'endOffset'>;
  epochs: { epochOf(topic: string): Promise<number> };
  logger: Logger;
}

/** The exact place where a partition stands still, as an operator has read it. */
export interface ResumeRequest {
  topic: string;
  epoch: number;
  partition: number;
  offset: number;
}

export interface ResumeAnswer {
  resumed: boolean;
  /** Where storing goes on. */
  nextOffset: number;
  /** Offsets that are given up; 0 when nothing was done. */
  lost: number;
}

/**
 * Accepts that what the log no longer has will never be stored, and lets the partition go on at the log's beginning.
 * Only from exactly the place named, so that nobody gives up what he has not seen; a second run changes nothing.
 * BAD_INPUT when it is another topic now, or when the log ends before what is stored.
 */
export async function resumePartition(parts: ResumeParts, request: ResumeRequest): Promise<ResumeAnswer> {
  const { store, stream, epochs, logger } = parts;
  const { topic, epoch, partition, offset } = request;
  const current = await epochs.epochOf(topic);
  if (current !== epoch)
    throw new AppError('BAD_INPUT', { message: `The topic ${topic} has epoch ${current} now.` });
  const [stored, first, end] = await Promise.all([
    store.nextOffset(PERSISTER_CONSUMER, epoch, partition),
    stream.startOffset({ topic, partition }),
    stream.endOffset({ topic, partition }),
  ]);
  if (stored > end) throw new AppError('BAD_INPUT', { message: explainShortLog(request, { stored, end }) });
  if (stored !== offset || offset >= first) return { resumed: false, nextOffset: stored, lost: 0 };
  const loss = { epoch, partition, fromOffset: offset, toOffset: first };
  if (!(await store.acceptLoss(loss)))
    return {
      resumed: false,
      nextOffset: await store.nextOffset(PERSISTER_CONSUMER, epoch, partition),
      lost: 0,
    };
  logger.warn({ topic, ...loss }, 'loss accepted: storing goes on behind it');
  return { resumed: true, nextOffset: first, lost: first - offset };
}

/** New records would get offsets that are taken: nothing but a new epoch can tell them apart. */
function explainShortLog(
  { topic, partition }: ResumeRequest,
  { stored, end }: { stored: number; end: number },
): string {
  return (
    `The log of ${topic}/${partition} ends at ${end}, but ${stored} is stored: it has lost records that were acked. ` +
    `Going on would mix new records with stored ones. Bring the log back, or delete the topic, start once with ` +
    `YKAFKA_ADOPT_TOPICS=${topic}, and a new epoch begins.`
  );
}
