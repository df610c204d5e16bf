import { afterEach, describe, expect, it } from '@jest/globals';
import * as Y from 'yjs';
import {
  encodeAcks,
  encodeEntries,
  encodeKafkaEnvelope,
  encodeState,
  encodeSyncPayload,
  SyncMessageType,
} from '../../../lib/protocol/index.ts';
import { ROOM, TestWorld, textOf, updateOf } from './harness.ts';
import type { LogRecord } from './model-server.ts';

let world: TestWorld;
afterEach(() => world.destroy());

function joined(text = '') {
  world = new TestWorld();
  if (text)
    world.server.write(
      ROOM,
      updateOf((doc) => doc.getText('t').insert(0, text)),
    );
  const client = world.client();
  const doc = client.open();
  world.run();
  const { session } = world;
  session.isPaused = true;
  return { client, doc, session };
}

const write = (text: string) =>
  world.server.write(
    ROOM,
    updateOf((doc) => doc.getText('t').insert(0, text), world.server.state(ROOM)),
  );

const entryOf = ({ position, previous, envelope }: LogRecord) => ({ position, previous, envelope });

describe('entries of the log', () => {
  it('repairs a gap by a join with its position while live delivery goes on', () => {
    const { client, doc, session } = joined('a');
    const before = client.manager.documentState('doc')!.position;
    write('b');
    const second = write('c');
    const third = write('d');
    session.emitFrame(encodeEntries([entryOf(second)]));
    session.emitFrame(encodeEntries([entryOf(third)]));
    session.isPaused = false;
    world.run();
    expect(world.server.joins.at(-1)!.position).toEqual(before);
    expect(textOf(doc)).toBe('dcba');
    expect(client.manager.documentState('doc')!.position).toEqual(third.position);
    expect(world.server.joins).toHaveLength(2);
  });

  it('does not move over an entry whose predecessor is missing, until that has come', () => {
    const { client, doc, session } = joined('a');
    const before = client.manager.documentState('doc')!.position;
    const first = write('b');
    const second = write('c');
    world.server.refuseJoin = () => ({ ok: false, code: 'STORE_BEHIND', message: '', permanent: false });
    session.emitFrame(encodeEntries([entryOf(second)]));
    world.run(5);
    expect(client.manager.documentState('doc')!.position).toEqual(before);
    session.emitFrame(encodeEntries([entryOf(first)]));
    world.run(5);
    expect(client.manager.documentState('doc')!.position).toEqual(second.position);
    expect(textOf(doc)).toBe('cba');
  });

  it('passes over what it has already', () => {
    const { client, doc, session } = joined('a');
    const record = write('b');
    session.emitFrame(encodeEntries([entryOf(record), entryOf(record)]));
    session.emitFrame(encodeEntries([entryOf(record)]));
    world.run();
    expect(textOf(doc)).toBe('ba');
    expect(world.server.joins).toHaveLength(1);
    expect(client.manager.documentState('doc')!.position).toEqual(record.position);
  });

  it('takes its own entry in a mixed frame as an ack, without applying it', () => {
    const { client, doc, session } = joined();
    const foreign = write('b');
    let updates = 0;
    doc.getText('t').insert(0, 'mine');
    doc.on('update', () => updates++);
    world.run();
    expect(client.manager.hasUnackedChanges).toBe(true);
    const own = world.server.log(ROOM).at(-1)!;
    session.emitFrame(encodeEntries([entryOf(foreign), entryOf(own)]));
    world.run();
    expect(client.all('acked')).toEqual([{ docId: 'doc', version: 1, position: own.position }]);
    expect(client.manager.hasUnackedChanges).toBe(false);
    expect(updates).toBe(1);
    expect(client.manager.documentState('doc')!.position).toEqual(own.position);
  });

  it('applies an own entry that it does not hold like a foreign one', () => {
    const { client, doc, session } = joined();
    const update = updateOf((other) => other.getText('t').insert(0, 'earlier document'));
    const record = world.server.write(ROOM, update, client.manager.senderId);
    session.emitFrame(encodeEntries([entryOf(record)]));
    world.run();
    expect(textOf(doc)).toBe('earlier document');
  });

  it('sees a gap in acks: A is acked at 119 while the 118 of B is on its way', () => {
    const { client, doc, session } = joined();
    const foreign = write('b');
    doc.getText('t').insert(0, 'a');
    world.run();
    const own = world.server.log(ROOM).at(-1)!;
    session.emitFrame(encodeAcks(ROOM, [own]));
    session.isPaused = false;
    world.run();
    expect(foreign.position.offset).toBeLessThan(own.position.offset);
    expect(textOf(doc)).toContain('b');
    expect(client.manager.documentState('doc')!.position).toEqual(own.position);
    expect(client.manager.hasUnackedChanges).toBe(false);
  });

  it('an ack of what an earlier document wrote does not stand for content that this one lacks', () => {
    const { client, doc, session } = joined();
    doc.getText('t').insert(0, 'from the first document');
    world.run();
    const own = world.server.log(ROOM).at(-1)!;
    session.isPaused = false;
    world.server.appendRule = () => undefined;
    // The first document leaves a version that is settled by the state of the second one's join …
    const second = new Y.Doc();
    client.manager.addDoc(second, { docId: 'doc' });
    world.run();
    expect(textOf(second)).toBe('from the first document');
    // … and a later place of it in the log (a repeat, say) does not count as being in this document.
    const late = { ...own, position: { ...own.position, offset: 40 }, previous: own.position.offset };
    const { length } = world.server.joins;
    world.session.emitFrame(encodeAcks(ROOM, [late]));
    world.run();
    expect(world.server.joins.length).toBe(length + 1);
    expect(client.manager.documentState('doc')!.position!.offset).toBeLessThan(40);
  });

  it('takes a resume by the gateway from its position', () => {
    const { client, doc, session } = joined('a');
    const record = write('b');
    const { position } = record;
    const head = { ...ROOM, join: 0, position, kind: 'delta' as const, appended: [] };
    session.emitFrame(encodeState(head, encodeSyncPayload(SyncMessageType.Step2, record.update!)));
    world.run();
    expect(textOf(doc)).toBe('ba');
    expect(client.manager.documentState('doc')!.position).toEqual(position);
  });

  it('ignores a state of a join that it does not wait for', () => {
    const { client, session } = joined('a');
    const before = client.manager.documentState('doc')!.position!;
    const position = { ...before, offset: 99 };
    const head = { ...ROOM, join: 77, position, kind: 'full' as const, appended: [] };
    session.emitFrame(encodeState(head, encodeSyncPayload(SyncMessageType.Step2, new Uint8Array([0, 0]))));
    world.run();
    expect(client.manager.documentState('doc')!.position).toEqual(before);
  });

  it('survives garbage, and repairs what an unreadable entry left out', () => {
    const { client, doc, session } = joined('a');
    session.emitFrame(new Uint8Array([99, 1, 2, 3]));
    session.emitFrame(new Uint8Array([1, 255, 255]));
    const unreadable = world.server.append(ROOM, {
      envelope: encodeKafkaEnvelope(
        { ...ROOM, v: 9, senderId: 's', version: 1, timestamp: 1 },
        encodeSyncPayload(
          SyncMessageType.Update,
          updateOf((d) => d.getText('t').insert(0, 'x')),
        ),
      ),
      senderId: 's',
      version: 1,
      update: updateOf((d) => d.getMap('m').set('new', 1)),
    });
    session.emitFrame(encodeEntries([entryOf(unreadable)]));
    const next = write('b');
    session.emitFrame(encodeEntries([entryOf(next)]));
    session.isPaused = false;
    world.run();
    expect(textOf(doc)).toBe('ba');
    expect(doc.getMap('m').get('new')).toBe(1);
    expect(client.manager.documentState('doc')!.position).toEqual(next.position);
  });
});
