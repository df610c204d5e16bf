import { describe, expect, it } from '@jest/globals';
import * as Y from 'yjs';
import { ProtocolManager } from '../../../lib/provider/index.ts';
import { ModelServer } from './model-server.ts';
import { SimulatedEnvironment } from './simulated-environment.ts';

const ROOM = { roomId: 'room', docId: 'doc' };

function setup(seed = 1) {
  const environment = new SimulatedEnvironment(seed);
  const server = new ModelServer(environment);
  const client = (options: Partial<ConstructorParameters<typeof ProtocolManager>[0]> = {}) =>
    new ProtocolManager({
      url: 'model:',
      roomId: 'room',
      transport: server.connect,
      environment,
      ...options,
    });
  return { environment, server, client };
}

describe('the manager', () => {
  it('refuses ids that the server would refuse, and documents after its end', () => {
    const { client } = setup();
    const manager = client();
    expect(() => manager.addDoc(new Y.Doc(), { docId: '' })).toThrow(TypeError);
    expect(() => manager.addDoc(new Y.Doc(), { docId: 'a\nb' })).toThrow(TypeError);
    manager.destroy();
    expect(() => manager.addDoc(new Y.Doc(), { docId: 'doc' })).toThrow(TypeError);
  });

  it('knows its documents by id and by document', () => {
    const { environment, client } = setup();
    const manager = client();
    const [one, two] = [new Y.Doc(), new Y.Doc()];
    manager.addDoc(one, { docId: 'one' });
    manager.addDoc(one, { docId: 'one' });
    manager.addDoc(two, { docId: 'two' });
    environment.advance(100);
    expect([...manager.documents]).toEqual([
      ['one', one],
      ['two', two],
    ]);
    expect(manager.documentState(two)).toEqual(manager.documentState('two'));
    one.destroy();
    manager.removeDoc(two);
    expect(manager.documents.size).toBe(0);
    expect(manager.documentState(two)).toBeUndefined();
    manager.destroy();
  });

  it('stops and goes on at the word of the application', () => {
    const { environment, server, client } = setup();
    const manager = client({ autoConnect: false });
    const doc = new Y.Doc();
    manager.addDoc(doc, { docId: 'doc' });
    environment.advance(1000);
    expect(server.sessions.size).toBe(0);
    manager.connect();
    environment.advance(100);
    expect(manager.status).toBe('connected');
    manager.disconnect();
    doc.getText('t').insert(0, 'kept');
    environment.advance(60_000);
    expect(server.sessions.size).toBe(0);
    manager.connect();
    environment.advance(1000);
    expect(server.log(ROOM)).toHaveLength(1);
    manager.destroy();
  });
});

describe('two providers and one document', () => {
  it('shows each the edits of the other, and acks them', () => {
    const { environment, server, client } = setup();
    const [a, b] = [client(), client()];
    const [docA, docB] = [new Y.Doc(), new Y.Doc()];
    a.addDoc(docA, { docId: 'doc' });
    b.addDoc(docB, { docId: 'doc' });
    environment.advance(100);
    expect(a.documentState('doc')).toMatchObject({ isSynced: true, hasUnackedChanges: false });
    docA.getText('t').insert(0, 'hello');
    expect(a.hasUnackedChanges).toBe(true);
    environment.advance(100);
    docB.getText('t').insert(5, ' world');
    environment.advance(100);
    expect(docA.getText('t').toString()).toBe('hello world');
    expect(docB.getText('t').toString()).toBe('hello world');
    expect(a.hasUnackedChanges).toBe(false);
    expect(server.log(ROOM)).toHaveLength(2);
    a.destroy();
    b.destroy();
  });
});
