import { AppError } from '../errors.ts';
import type { DocumentId } from '../protocol/ids.ts';
import type { TopicResolver } from '../stream/topics.ts';
import { epochOrNone, type Epochs } from './epochs.ts';

export interface LocateRequest {
  document: DocumentId;
  epoch?: number;
  partition?: number;
}

/** Fills in the epoch and partition of a document where they are left out. NOT_FOUND when its topic does not exist. */
export async function locate(
  request: LocateRequest,
  parts: { topics: Pick<TopicResolver, 'target'>; epochs: () => Promise<Epochs> },
): Promise<{ document: DocumentId; epoch: number; partition: number }> {
  const { document } = request;
  const target = parts.topics.target('doc', document);
  const partition = request.partition ?? target.partition;
  if (request.epoch !== undefined) return { document, epoch: request.epoch, partition };
  const epoch = await epochOrNone(await parts.epochs(), target.topic);
  if (epoch === undefined) throw new AppError('NOT_FOUND', { data: { topic: target.topic } });
  return { document, epoch, partition };
}
