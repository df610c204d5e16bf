import { describe, expect, it } from '@jest/globals';
import { createNack } from '../../../lib/gateway/nacks.ts';
import {
  addressKey,
  createMetadata,
  DEFAULT_LIMITS,
  encodeClientEntries,
  encodeKafkaEnvelope,
  encodeSyncPayload,
  SyncMessageType,
  type NackCode,
} from '../../../lib/protocol/index.ts';
import { Expectations, nameOf } from '../../fuzz/expectation.ts';
import { OwedNacks } from '../../fuzz/owed-nacks.ts';
import { insertion } from '../../support/bad-inputs.ts';
import { hex } from '../../support/hex.ts';

const ADDRESS = { roomId: 'room', docId: 'doc' };
const OTHER = { roomId: 'room', docId: 'x' };
const SENDER = 'sender';
/** Yjs decodes it, and throws with half of it applied. */
const IMPOSSIBLE = hex('00020901000205037900020b021203');

const create = () =>
  new Expectations({ limits: DEFAULT_LIMITS, senderId: SENDER, joined: new Set([addressKey(ADDRESS)]) });

function frameOf(update: Uint8Array, { version = 1, address = ADDRESS, senderId = SENDER } = {}): Uint8Array {
  const metadata = createMetadata({ ...address, senderId, version, timestamp: 0 });
  return encodeClientEntries([
    encodeKafkaEnvelope(metadata, encodeSyncPayload(SyncMessageType.Update, update)),
  ]);
}

describe('the model of what a server owes', () => {
  it('owes a nack by name for an update that is not sound, and none for its repeat', () => {
    const expectations = create();
    expect(expectations.of(frameOf(IMPOSSIBLE)).nacks).toMatchObject([
      { name: nameOf({ ...ADDRESS, version: 1 }) },
    ]);
    expect(expectations.of(frameOf(IMPOSSIBLE)).nacks).toEqual([]);
    expect(expectations.wasUnsound(nameOf({ ...ADDRESS, version: 1 }))).toBe(true);
    const sound = insertion('x');
    expect(expectations.of(frameOf(sound, { version: 2 }))).toEqual({ nacks: [], updates: [sound] });
    expect(expectations.wasUnsound(nameOf({ ...ADDRESS, version: 2 }))).toBe(false);
  });

  it('owes nothing for a document that may have been joined meanwhile, whose updates may be taken', () => {
    const expectations = create();
    const sound = insertion('x');
    const frame = frameOf(sound, { address: OTHER });
    expect(expectations.of(frame).nacks).toMatchObject([
      { code: 'NOT_JOINED', name: nameOf({ ...OTHER, version: 1 }) },
    ]);
    expectations.mayJoin({ ...OTHER, docId: 5 });
    expectations.mayJoin(null);
    expect(expectations.of(frame).nacks).toHaveLength(1);
    expectations.mayJoin({ ...OTHER, senderId: SENDER });
    expect(expectations.of(frame)).toEqual({ nacks: [], updates: [sound] });
  });
});

describe('nacks that are owed', () => {
  const nack = (code: NackCode, version?: number) =>
    createNack(code, version === undefined ? {} : { address: ADDRESS, version });
  const never = () => false;

  it('are each answered by their own: one too many does not stand for another', () => {
    const owed = new OwedNacks();
    const expectations = create();
    owed.add(expectations.of(hex('63 00')).nacks);
    owed.add(expectations.of(frameOf(IMPOSSIBLE)).nacks);
    expect(owed.settle(nack('BAD_METADATA', 7), never)).toBe(true);
    expect(owed.settle(nack('BAD_UPDATE', 2), () => true)).toBe(true);
    expect(owed.count).toBe(2);
    expect(owed.settle(nack('BAD_FRAME'), never)).toBe(true);
    expect(owed.takeUnanswered()).toEqual([
      expect.stringMatching(/^any code for "room\/doc 1", \d+ bytes: /),
    ]);
    expect(owed.count).toBe(0);
  });

  it('are not the only ones that may come, but nobody refuses what was sound or readable', () => {
    const owed = new OwedNacks();
    expect(owed.settle(nack('OWED', 1), never)).toBe(true);
    expect(owed.settle(nack('BAD_UPDATE', 1), never)).toBe(false);
    expect(owed.settle(nack('BAD_ENVELOPE', 1), never)).toBe(false);
    expect(owed.settle(nack('UNAVAILABLE'), never)).toBe(false);
  });
});
