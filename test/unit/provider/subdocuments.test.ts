import { afterEach, describe, expect, it } from '@jest/globals';
import * as Y from 'yjs';
import { ROOM, TestWorld, textOf } from './harness.ts';

let world: TestWorld;
afterEach(() => world.destroy());

describe('Yjs subdocuments', () => {
  it('follow their parent at any depth, under the id of the root and their own guid', () => {
    world = new TestWorld();
    const [a, b] = [world.client(), world.client()];
    const [rootA, rootB] = [a.open(), b.open()];
    world.run();
    const child = new Y.Doc({ guid: 'child' });
    rootA.getMap('docs').set('child', child);
    const grandchild = new Y.Doc({ guid: 'grandchild' });
    child.getMap('docs').set('deep', grandchild);
    grandchild.getText('t').insert(0, 'deep');
    child.getText('t').insert(0, 'child');
    world.run();
    expect([...a.manager.documents.keys()]).toEqual(['doc', 'doc/child', 'doc/grandchild']);
    expect(world.serverText({ ...ROOM, subdocId: 'child' } as typeof ROOM)).toBe('child');
    expect(world.serverText({ ...ROOM, subdocId: 'grandchild' } as typeof ROOM)).toBe('deep');
    // A remote subdocument is joined when the application loads it.
    const childB = rootB.getMap('docs').get('child') as Y.Doc;
    expect([...b.manager.documents.keys()]).toEqual(['doc']);
    childB.load();
    world.run();
    expect(textOf(childB)).toBe('child');
    const grandchildB = childB.getMap('docs').get('deep') as Y.Doc;
    grandchildB.load();
    world.run();
    expect(textOf(grandchildB)).toBe('deep');
    grandchildB.getText('t').insert(4, 'er');
    world.run();
    expect(textOf(grandchild)).toBe('deeper');
    expect(b.manager.documentState(grandchildB)).toMatchObject({ docId: 'grandchild', parentId: 'doc' });
  });

  it('that are there already are followed when the parent is added', () => {
    world = new TestWorld();
    const client = world.client();
    const root = new Y.Doc();
    const child = new Y.Doc({ guid: 'child' });
    root.getMap('docs').set('child', child);
    child.getText('t').insert(0, 'offline');
    client.manager.addDoc(root, { docId: 'doc' });
    world.run();
    expect(world.serverText({ ...ROOM, subdocId: 'child' } as typeof ROOM)).toBe('offline');
  });

  it('leave when they are taken out, destroyed, or their root is removed', () => {
    world = new TestWorld();
    const client = world.client();
    const root = client.open();
    const [one, two, three] = ['one', 'two', 'three'].map((guid) => new Y.Doc({ guid })) as [
      Y.Doc,
      Y.Doc,
      Y.Doc,
    ];
    for (const child of [one, two, three]) root.getMap('docs').set(child.guid, child);
    world.run();
    expect(world.session.joined.size).toBe(4);
    root.getMap('docs').delete('one');
    world.run();
    expect([...client.manager.documents.keys()]).toEqual(['doc', 'doc/two', 'doc/three']);
    two.destroy();
    world.run();
    expect([...client.manager.documents.keys()]).toEqual(['doc', 'doc/three']);
    client.manager.removeDoc('doc');
    world.run();
    expect(client.manager.documents.size).toBe(0);
    expect(world.session.joined.size).toBe(0);
  });

  it('with a guid that is no valid id are reported, not thrown into the application', () => {
    world = new TestWorld();
    const client = world.client();
    const root = client.open();
    world.run();
    const guid = 'g'.repeat(500);
    expect(() => root.getMap('docs').set('long', new Y.Doc({ guid }))).not.toThrow();
    expect(client.all('join-refused')).toMatchObject([{ docId: guid, parentId: 'doc', code: 'BAD_ID' }]);
  });

  it('can be added by hand, with the root as their parent', () => {
    world = new TestWorld();
    const client = world.client();
    const doc = new Y.Doc();
    doc.getText('t').insert(0, 'sub');
    client.manager.addDoc(doc, { docId: 'S', parentId: 'P' });
    world.run();
    expect(world.serverText({ roomId: 'room', docId: 'P', subdocId: 'S' } as typeof ROOM)).toBe('sub');
    expect(client.all('synced')).toEqual([{ docId: 'S', parentId: 'P', state: true }]);
  });
});
