import { describe, expect, it } from '@jest/globals';
import { DocumentLog } from '../../../lib/gateway/document-log.ts';
import { createMetadata, encodeControlPayload, encodeKafkaEnvelope } from '../../../lib/protocol/index.ts';
import type { DeliveredRecord } from '../../../lib/stream/port.ts';

const at = (offset: number, generation = 1) => ({ generation, epoch: 4, partition: 3, offset });

function update(offset: number, fields: Record<string, string> = {}, bytes = 10): DeliveredRecord {
  const headers = { s: 'ann', c: String(offset), g: '1', t: '0', ...fields };
  return { key: 'k', value: new Uint8Array(bytes), headers, offset, timestampMs: 0 };
}

function barrier(offset: number, generation: number): DeliveredRecord {
  const metadata = createMetadata({ docId: 'd', senderId: 'server', version: 0 });
  const payload = encodeControlPayload({ op: 'barrier', generation, reason: 'restored' });
  const headers = { s: 'server', c: '0', g: String(generation), t: '4' };
  return { key: 'k', value: encodeKafkaEnvelope(metadata, payload), headers, offset, timestampMs: 0 };
}

const newLog = (maxBytes = 10_000, heldAfter = 9) => new DocumentLog({ maxBytes, partition: 3, heldAfter });
const offsets = (log: DocumentLog, after: number) => log.after(after)?.map(({ position }) => position.offset);

describe('a document as the follow sees it', () => {
  it('waits for the first answer; then what lies behind it counts, linked by previous', () => {
    const log = newLog();
    expect(log.take(update(10))).toBeUndefined();
    expect(log.take(update(12))).toBeUndefined();
    expect(log.take(update(15))).toBeUndefined();
    expect(log.after(9)).toBeUndefined();
    const events = log.learn(at(10));
    expect(
      events.map((event) => event.kind === 'entry' && [event.entry.position, event.entry.previous]),
    ).toEqual([
      [at(12), 10],
      [at(15), 12],
    ]);
    expect(log.heldAfter).toBe(10);
    expect(offsets(log, 12)).toEqual([15]);
  });

  it('a writer that does not count (version 0) never repeats itself', () => {
    const log = newLog();
    log.learn(at(10));
    const events = [11, 12].map((offset) => log.take(update(offset, { c: '0' })));
    expect(events).toMatchObject([{ kind: 'entry' }, { kind: 'entry', entry: { previous: 11 } }]);
    expect(offsets(log, 10)).toEqual([11, 12]);
  });

  it('a later answer says nothing about earlier records', () => {
    const log = newLog();
    log.learn(at(10));
    expect(log.learn(at(50, 2))).toEqual([]);
    expect(log.take(update(11))).toMatchObject({ kind: 'entry', entry: { position: at(11) } });
  });

  it('a barrier seen before the first answer is not believed; one behind it raises the generation', () => {
    const log = newLog();
    log.take(barrier(10, 7));
    log.take(update(11));
    log.take(barrier(12, 2));
    log.take(update(13, { g: '1' }));
    log.take(update(14, { g: '2' }));
    const events = log.learn(at(10));
    expect(events.map(({ kind }) => kind)).toEqual(['entry', 'entry', 'stale', 'entry']);
    expect(events[2]).toMatchObject({ version: 13, barrier: at(12, 2) });
    expect(events[3]).toMatchObject({ entry: { position: at(14, 2), previous: 12 } });
    expect(log.generation).toBe(2);
  });

  it('a repeat keeps its position and is not part of the chain; another user is another writer', () => {
    const log = newLog();
    log.learn(at(9));
    log.take(update(10, { c: '1' }));
    expect(log.take(update(11, { c: '1' }))).toMatchObject({
      kind: 'repeat',
      entry: { position: at(11), previous: 10 },
    });
    expect(log.take(update(12, { c: '1', u: 'eve' }))).toMatchObject({
      kind: 'entry',
      entry: { previous: 10 },
    });
    expect(offsets(log, 9)).toEqual([10, 12]);
  });

  it('passes over what it cannot read and over updates of a generation that has not begun', () => {
    const log = newLog();
    log.learn(at(9));
    expect(log.take(update(10, { c: 'x' }))).toBeUndefined();
    expect(log.take(update(11, { s: '' }))).toBeUndefined();
    expect(log.take(update(12, { g: '5' }))).toBeUndefined();
    expect(log.take({ ...barrier(13, 2), value: new Uint8Array(3) })).toBeUndefined();
    expect(log.take(update(14))).toMatchObject({ entry: { previous: 9 } });
  });

  it('is bounded, before the first answer and after it, and says what it no longer holds', () => {
    const waiting = newLog(1000);
    for (let i = 0; i < 20; i++) waiting.take(update(10 + i, {}, 100));
    expect(waiting.heldAfter).toBeGreaterThan(20);
    const log = newLog(1000);
    log.learn(at(9));
    for (let i = 0; i < 400; i++) log.take(update(10 + i, {}, 100));
    expect(log.heldAfter).toBeGreaterThan(400);
    expect(log.after(100)).toBeUndefined();
    expect(offsets(log, log.heldAfter)?.at(-1)).toBe(409);
  });

  it('takes no first answer from before what it had to drop: a barrier may have been there', () => {
    const log = newLog(600);
    log.take(barrier(10, 2));
    log.take(update(11, { g: '2' }, 300));
    // Computed before the barrier: with it the log would pass over everything of the generation that has begun.
    expect(log.fits(at(9))).toBe(false);
    expect(log.answerFrom).toBe(10);
    expect(log.fits(at(11, 2))).toBe(true);
    log.learn(at(11, 2));
    expect(log.take(update(12, { g: '2' }))).toMatchObject({ kind: 'entry', entry: { position: at(12, 2) } });
    log.reset(20);
    expect(log.fits(at(9))).toBe(true);
  });

  it('begins anew when the follow does', () => {
    const log = newLog();
    log.learn(at(9));
    log.take(update(10));
    const { incarnation } = log;
    log.reset(2);
    expect([log.isBased, log.heldAfter, log.incarnation]).toEqual([false, 2, incarnation + 1]);
    expect(log.take(update(3))).toBeUndefined();
    expect(log.hasWaiting).toBe(true);
  });

  it('has no epoch as long as the room has no topic', () => {
    const log = newLog(1000, -1);
    expect(log.learn({ ...at(-1), epoch: 0 })).toEqual([]);
    log.take(update(0));
    expect(log.isBased).toBe(false);
    expect(log.learn(at(0))).toEqual([]);
    expect(log.isBased).toBe(true);
  });
});
