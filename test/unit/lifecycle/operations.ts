import * as Y from 'yjs';
import { AppError } from '../../../lib/errors.ts';
import type { LifecycleWorld, Append } from '../../support/lifecycle-world.ts';
import { updateRecord } from '../../support/log-records.ts';

/** The same state of the same text, each time. */
export function stateOf(text: string): Uint8Array {
  const doc = new Y.Doc();
  doc.clientID = text.length * 1000 + text.charCodeAt(0);
  doc.getText('t').insert(0, text);
  return Y.encodeStateAsUpdate(doc);
}

/** Somebody's update of the document, straight into the log. */
export async function write(
  { stream, document, at }: LifecycleWorld,
  text: string,
  { generation = 1, version = 1 } = {},
): Promise<void> {
  const record = updateRecord(document, stateOf(text), { senderId: `s-${text}`, version, generation });
  await stream.append(at, [record]);
}

/** How many there are in the document's log. */
export async function barriersIn(world: LifecycleWorld): Promise<number> {
  return (await world.records()).filter(({ headers }) => headers.t === '4').length;
}

/** Fails appends to the document's partition: n-th call (from 1) → after it reached the log, or before. */
export function failing(world: LifecycleWorld, calls: Record<number, 'answer' | 'request'>): Append {
  let call = 0;
  return async (target, records, options) => {
    const fault = target.topic === world.at.topic ? calls[++call] : undefined;
    if (fault === 'request') throw new AppError('STREAM_APPEND_FAILED');
    const offsets = await world.stream.append(target, records, options);
    if (fault === 'answer') throw new AppError('STREAM_APPEND_FAILED');
    return offsets;
  };
}

/** Dies at the n-th append (from 1), the control topic's included: neither this one nor any later one is made. */
export function dying(world: LifecycleWorld, atCall: number): Append {
  let call = 0;
  return async (...append) => {
    if (++call >= atCall) throw new Error('killed');
    return world.stream.append(...append);
  };
}
