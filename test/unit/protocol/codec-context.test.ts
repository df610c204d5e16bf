import { afterEach, describe, expect, it } from '@jest/globals';
import * as encoding from 'lib0/encoding';
import { Awareness } from 'y-protocols/awareness';
import * as authProtocol from 'y-protocols/auth';
import * as syncProtocol from 'y-protocols/sync';
import * as Y from 'yjs';
import {
  encodeAwarenessPayload,
  encodeAwarenessUpdate,
  encodeControlPayload,
  encodePayload,
  encodeSyncPayload,
  ProtocolCodecContext,
  ProtocolMessageType,
  SyncMessageType,
  yjsOperations,
} from '../../../lib/protocol/index.ts';
import { hex, toHex } from '../../support/hex.ts';

const toClean: { destroy(): void }[] = [];
afterEach(() => toClean.splice(0).forEach((thing) => thing.destroy()));

function setUp(clientId: number) {
  const doc = new Y.Doc({ guid: 'x' });
  doc.clientID = clientId;
  const awareness = new Awareness(doc);
  toClean.push(awareness, doc);
  return { doc, awareness, context: new ProtocolCodecContext({ doc: yjsOperations(doc), awareness }) };
}

const textOf = (doc: Y.Doc) => doc.getText('t').toString();

/** The payload that y-protocols itself writes. */
function payloadBy(type: ProtocolMessageType, write: (encoder: encoding.Encoder) => void): Uint8Array {
  const encoder = encoding.createEncoder();
  encoding.writeVarUint(encoder, type);
  write(encoder);
  return encoding.toUint8Array(encoder);
}

describe('ProtocolCodecContext', () => {
  it('brings two documents together by step 1 and step 2, both ways', () => {
    const [a, b] = [setUp(1), setUp(2)];
    a.doc.getText('t').insert(0, 'from a ');
    b.doc.getText('t').insert(0, 'from b ');
    for (const [asking, answering] of [
      [a, b],
      [b, a],
    ] as const) {
      const answer = answering.context.handle(asking.context.encodeSyncStep1());
      expect(answer.ok && answer.reply).toBeTruthy();
      const taken = asking.context.handle((answer as { reply: Uint8Array }).reply);
      expect(taken).toEqual({ ok: true, type: ProtocolMessageType.Sync, applied: true });
    }
    expect(textOf(a.doc)).toBe(textOf(b.doc));
    expect([a.context.synced, b.context.synced]).toEqual([true, true]);
    a.context.resetSynced();
    expect(a.context.synced).toBe(false);
  });

  it('answers step 1 with the bytes that y-protocols writes, also when nothing lacks', () => {
    const { doc, context } = setUp(1);
    doc.getText('t').insert(0, 'abc');
    for (const stateVector of [hex('00'), Y.encodeStateVector(doc)]) {
      const expected = payloadBy(ProtocolMessageType.Sync, (encoder) =>
        syncProtocol.writeSyncStep2(encoder, doc, stateVector),
      );
      const result = context.handle(encodeSyncPayload(SyncMessageType.Step1, stateVector));
      expect(result.ok && result.reply && toHex(result.reply)).toBe(toHex(expected));
    }
  });

  it('applies an update with the origin given, and is not synced by it', () => {
    const [a, b] = [setUp(1), setUp(2)];
    const origins: unknown[] = [];
    b.doc.on('update', (_update, origin) => origins.push(origin));
    a.doc.getText('t').insert(0, 'abc');
    const payload = encodeSyncPayload(SyncMessageType.Update, Y.encodeStateAsUpdate(a.doc));
    expect(b.context.handle(payload, 'the wire').ok).toBe(true);
    expect(origins).toEqual(['the wire']);
    expect(textOf(b.doc)).toBe('abc');
    expect(b.context.synced).toBe(false);
  });

  it('reports an update that cannot be applied, and goes on', () => {
    const { doc, context } = setUp(2);
    const refused = context.handle(encodeSyncPayload(SyncMessageType.Update, hex('01 01 01 00 04 ff')));
    expect(refused).toMatchObject({ ok: false, failure: { code: 'BAD_UPDATE' }, cause: expect.any(Error) });
    const badStateVector = context.handle(encodeSyncPayload(SyncMessageType.Step1, hex('05 01')));
    expect(badStateVector).toMatchObject({ ok: false, failure: { code: 'BAD_UPDATE' } });
    const good = context.handle(
      encodeSyncPayload(SyncMessageType.Step2, hex('01 01 01 00 04 01 01 74 01 61 00')),
    );
    expect(good.ok).toBe(true);
    expect(textOf(doc)).toBe('a');
  });

  it('never lets a length inside an update reach the bytes beside it', () => {
    // A text "t" whose content claims 60 characters, of which one is in the update; the rest would be the neighbour's.
    const lying = encodeSyncPayload(SyncMessageType.Update, hex('01 01 01 00 04 01 01 74 3c 61'));
    const pooled = new Uint8Array(200);
    pooled.set(lying);
    const { doc, context } = setUp(1);
    expect(context.handle(pooled.subarray(0, lying.byteLength)).ok).toBe(false);
    expect(textOf(doc)).toBe('');
  });

  it('takes and shows awareness', () => {
    const [a, b] = [setUp(1), setUp(2)];
    a.awareness.setLocalState({ user: 'A' });
    const shown = a.context.handle(encodePayload(ProtocolMessageType.QueryAwareness, new Uint8Array()));
    expect(shown.ok && shown.reply).toBeTruthy();
    const origins: unknown[] = [];
    b.awareness.on('change', (_change: unknown, origin: unknown) => origins.push(origin));
    expect(b.context.handle((shown as { reply: Uint8Array }).reply, 'the wire').ok).toBe(true);
    expect(b.awareness.getStates().get(1)).toEqual({ user: 'A' });
    expect(origins).toEqual(['the wire']);
    expect(b.context.encodeAwareness([99])).toBeUndefined();
  });

  it('shows its own state first when there are more than fit', () => {
    const { awareness, context } = setUp(999_999);
    for (let clientId = 1; clientId <= 600; clientId++) {
      const update = encodeAwarenessUpdate([{ clientId, clock: 1, state: '{}' }]);
      expect(context.handle(encodeAwarenessPayload(update)).ok).toBe(true);
    }
    const other = setUp(5_000);
    awareness.setLocalState({ own: true });
    expect(other.context.handle(context.encodeAwareness()!).ok).toBe(true);
    expect(other.awareness.getStates().get(999_999)).toEqual({ own: true });
  });

  it('refuses awareness on which y-protocols would throw', () => {
    const { context } = setUp(1);
    const update = encodeAwarenessUpdate([{ clientId: 5, clock: 1, state: '{' }]);
    expect(context.handle(encodeAwarenessPayload(update))).toMatchObject({
      ok: false,
      failure: { code: 'BAD_AWARENESS' },
    });
  });

  it('names a denied permission and a command', () => {
    const { context } = setUp(1);
    const denied = payloadBy(ProtocolMessageType.Auth, (encoder) =>
      authProtocol.writePermissionDenied(encoder, 'no access'),
    );
    expect(context.handle(denied)).toMatchObject({ ok: true, permissionDenied: 'no access' });
    const control = { op: 'barrier', generation: 2, reason: 'recreated' } as const;
    expect(context.handle(encodeControlPayload(control))).toMatchObject({ ok: true, control });
  });

  it.each(['', '05', '80', '00', '00 07 00', '02', '02 01 00', '02 00 05 61', '04 01 7b', '01 05 00'])(
    'refuses the payload "%s"',
    (payload) => {
      expect(setUp(1).context.handle(hex(payload))).toMatchObject({ ok: false });
    },
  );

  it('works without awareness', () => {
    const doc = new Y.Doc({ guid: 'x' });
    const context = new ProtocolCodecContext({ doc: yjsOperations(doc) });
    const update = encodeAwarenessUpdate([{ clientId: 5, clock: 1, state: '{}' }]);
    expect(context.handle(encodeAwarenessPayload(update))).toEqual({
      ok: true,
      type: ProtocolMessageType.Awareness,
    });
    expect(context.handle(hex('03'))).toEqual({ ok: true, type: ProtocolMessageType.QueryAwareness });
  });
});
