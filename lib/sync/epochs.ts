import { isAppError } from '../errors.ts';

/** What joins need of `EpochBook` (lib/stream/epochs.ts). */
export interface Epochs {
  epochOf(topic: string, topicId?: string): Promise<number>;
  /** The log has said that the topic is not the one it was. */
  forget(topic: string): void;
}

/** The epoch of a topic; undefined when there is no such topic. */
export async function epochOrNone(
  epochs: Epochs,
  topic: string,
  topicId?: string,
): Promise<number | undefined> {
  try {
    return await epochs.epochOf(topic, topicId);
  } catch (error) {
    if (isAppError(error, 'STREAM_TOPIC_MISSING')) return undefined; // nobody has written there yet
    throw error;
  }
}
