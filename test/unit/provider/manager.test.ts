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
