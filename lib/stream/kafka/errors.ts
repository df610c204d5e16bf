import { AppError, isAppError, type AppErrorType } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import type { ConsumeRequest } from '../port.ts';

/** Kafka's own error names, which both clients carry along: kafkajs as `type`, @platformatic/kafka as `apiId`. */
const BY_KAFKA_NAME: Readonly<Record<string, AppErrorType>> = {
  OFFSET_OUT_OF_RANGE: 'STREAM_OFFSET_OUT_OF_RANGE',
  MESSAGE_TOO_LARGE: 'STREAM_RECORD_TOO_LARGE',
  RECORD_LIST_TOO_LARGE: 'STREAM_RECORD_TOO_LARGE',
  UNKNOWN_TOPIC_OR_PARTITION: 'STREAM_TOPIC_MISSING',
  UNKNOWN_TOPIC_ID: 'STREAM_TOPIC_MISSING',
  INVALID_TOPIC_EXCEPTION: 'BAD_CONFIG',
  INVALID_REPLICATION_FACTOR: 'BAD_CONFIG',
  INVALID_PARTITIONS: 'BAD_CONFIG',
  INVALID_CONFIG: 'BAD_CONFIG',
  POLICY_VIOLATION: 'BAD_CONFIG',
};

/** The error of a client as ours, with the client's as cause; `fallback` when Kafka gave no telling name. */
export function toStreamError(error: unknown, fallback: AppErrorType = 'STREAM_UNAVAILABLE'): AppError {
  if (isAppError(error)) return error;
  const name = kafkaNames(error).find((found) => Object.hasOwn(BY_KAFKA_NAME, found));
  return new AppError(name === undefined ? fallback : BY_KAFKA_NAME[name]!, { cause: error });
}

export function hasKafkaName(error: unknown, ...wanted: string[]): boolean {
  return kafkaNames(error).some((name) => wanted.includes(name));
}

/** Names found in an error, in its cause and in what it aggregates. */
function kafkaNames(error: unknown, depth = 0): string[] {
  if (typeof error !== 'object' || error === null || depth > 5) return [];
  const { type, apiId, cause, errors, originalError } = error as Record<string, unknown>;
  const own = [type, apiId].filter((name): name is string => typeof name === 'string');
  const inner = [cause, originalError, ...(Array.isArray(errors) ? errors : [])];
  return [...own, ...inner.flatMap((each) => kafkaNames(each, depth + 1))];
}

/** For log fields: the message alone, since a client's error may carry whole requests. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Hands an error to `onError`, which must not break the consumer. */
export function tellConsumer(onError: ConsumeRequest['onError'], error: unknown, logger: Logger): void {
  try {
    onError?.(toStreamError(error));
  } catch (thrown) {
    logger.error({ reason: reasonOf(thrown) }, 'onError of a consumer threw');
  }
}
