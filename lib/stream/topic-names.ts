import { createHash } from 'node:crypto';
import { AppError } from '../errors.ts';

/** Kafka's limit: 249 of [a-zA-Z0-9._-]. */
export const MAX_TOPIC_BYTES = 249;

/*
 * How an id stands in a topic name:
 *
 *   plain    letters and digits (and `-` in the last id of the template)
 *   escaped  every other UTF-8 byte as `_` and two lower-case hex digits
 *   hashed   `_h` and the SHA-256 of the id in hex, when the escaped form is longer than its share
 *
 * `_h` is no escape, so the forms never meet. The dot is escaped although it is legal: Kafka refuses a
 * topic whose name differs from another one's only in `.` and `_`, so one of the two has to go.
 */
const HASH_PREFIX = '_h';
export const HASHED_ID_BYTES = HASH_PREFIX.length + 64;

const HASHED = `${HASH_PREFIX}[0-9a-f]{64}`;
export const ID_PATTERN = `(?:(?:[a-zA-Z0-9]|_[0-9a-f]{2})+|${HASHED})`;
export const LAST_ID_PATTERN = `(?:(?:[a-zA-Z0-9-]|_[0-9a-f]{2})+|${HASHED})`;

export interface TopicPartForm {
  /** At least HASHED_ID_BYTES. */
  maxBytes: number;
  keepHyphens: boolean;
}

/** The id as part of a topic name; distinct ids give distinct parts. AppError BAD_INPUT for an id that is not one. */
export function topicPart(id: string, { maxBytes, keepHyphens }: TopicPartForm): string {
  // A lone surrogate becomes U+FFFD in UTF-8: two ids would share a topic.
  if (id === '' || !id.isWellFormed()) throw new AppError('BAD_INPUT', { message: 'The id is not valid.' });
  const special = keepHyphens ? /[^a-zA-Z0-9-]/gu : /[^a-zA-Z0-9]/gu;
  const escaped = id.replace(special, escapeChar);
  if (escaped.length <= maxBytes) return escaped;
  return HASH_PREFIX + createHash('sha256').update(id).digest('hex');
}

function escapeChar(char: string): string {
  return Array.from(Buffer.from(char), (byte) => `_${byte.toString(16).padStart(2, '0')}`).join('');
}
