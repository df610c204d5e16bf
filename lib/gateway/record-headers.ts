/** Headers of records, once: a follower routes and recognises repeats by them without parsing JSON. */
export const RecordHeader = {
  Sender: 's',
  /** Only when the connection has a user: a sender id of somebody else must not pass as one's own. */
  User: 'u',
  Version: 'c',
  Generation: 'g',
  Type: 't',
  /** Gateway that appended it (awareness topics). */
  Gateway: 'n',
  /** Connection that brought it. Stored, never sent to a client: like `a` it is in no envelope. */
  Connection: 'i',
  /** Network address that it came from. */
  Address: 'a',
} as const;

type Headers = Readonly<Record<string, string>>;

/** A decimal header, or undefined when it is missing or malformed. */
export function countHeader(headers: Headers, name: string): number | undefined {
  const text = headers[name];
  if (text === undefined || !/^\d{1,16}$/.test(text)) return undefined;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : undefined;
}

/** Identifies a writer: user and sender. Undefined when the record has no sender. */
export function ownerKey(headers: Headers): string | undefined {
  const sender = headers[RecordHeader.Sender];
  if (sender === undefined || sender === '') return undefined;
  return ownerOf(sender, headers[RecordHeader.User]);
}

/** Ids have no control characters, so the separator is unambiguous. */
export function ownerOf(senderId: string, userId: string | undefined): string {
  return `${userId ?? ''}\n${senderId}`;
}
