import * as Y from 'yjs';

export interface SampleDocument {
  name: string;
  updates: Uint8Array[];
  json: (doc: Y.Doc) => unknown;
}

export function permutations<T>(items: readonly T[]): T[][] {
  if (items.length <= 1) return [[...items]];
  return items.flatMap((item, index) =>
    permutations([...items.slice(0, index), ...items.slice(index + 1)]).map((rest) => [item, ...rest]),
  );
}

function sample(
  name: string,
  json: SampleDocument['json'],
  ...edits: ((doc: Y.Doc) => void)[]
): SampleDocument {
  const doc = new Y.Doc({ guid: `sample ${name}` });
  doc.clientID = 1_000;
  const updates: Uint8Array[] = [];
  doc.on('update', (update: Uint8Array) => updates.push(update));
  for (const edit of edits) doc.transact(() => edit(doc));
  return { name, updates, json };
}

/** One document for each kind of content that a Yjs update can hold. */
export function sampleUpdates(): SampleDocument[] {
  return [
    sample(
      'formatted text',
      (doc) => doc.getText('t').toDelta() as unknown,
      (doc) => doc.getText('t').insert(0, 'naïve 日本 text'),
      (doc) => doc.getText('t').format(2, 5, { bold: true }),
      (doc) => doc.getText('t').insertEmbed(3, { image: 'x.png' }),
      (doc) => doc.getText('t').delete(0, 2),
    ),
    sample(
      'map of every kind of value',
      (doc) => doc.getMap('m').toJSON(),
      (doc) => doc.getMap('m').set('plain', { a: [1, -2.5, null, true, 'x'], big: 2 ** 40 }),
      (doc) => doc.getMap('m').set('bytes', Uint8Array.of(1, 2, 3)),
      (doc) => doc.getMap('m').set('plain', 'overwritten'),
      (doc) => doc.getMap('m').delete('bytes'),
    ),
    sample(
      'nested types',
      (doc) => doc.getArray('a').toJSON(),
      (doc) => doc.getArray('a').insert(0, [new Y.Map([['k', new Y.Array()]]), 'x', 2]),
      (doc) => (doc.getArray<Y.Map<Y.Array<number>>>('a').get(0).get('k') as Y.Array<number>).push([1, 2, 3]),
      (doc) => doc.getArray('a').delete(1, 1),
    ),
    sample(
      'xml',
      (doc) => doc.getXmlFragment('x').toString(),
      (doc) => doc.getXmlFragment('x').insert(0, [new Y.XmlElement('p'), new Y.XmlText('tail')]),
      (doc) => (doc.getXmlFragment('x').get(0) as Y.XmlElement).setAttribute('class', 'big'),
      (doc) => (doc.getXmlFragment('x').get(0) as Y.XmlElement).insert(0, [new Y.XmlText('in')]),
    ),
    sample(
      'subdocument',
      (doc) => [...doc.getMap<Y.Doc>('m').values()].map((child) => child.guid),
      (doc) => doc.getMap('m').set('child', new Y.Doc({ guid: 'child-guid' })),
    ),
  ];
}

/**
 * Two updates of one client id, each sound alone. `honest` leaves something collected behind; the text of `poison` begins
 * at the same clocks and goes on beyond them: Yjs throws when it finds what it should stand beside collected.
 */
export function sameClocks(clientID = 7): { honest: Uint8Array; poison: Uint8Array } {
  const [writer, forger] = [new Y.Doc({ guid: 'writer' }), new Y.Doc({ guid: 'forger' })];
  writer.clientID = clientID;
  forger.clientID = clientID;
  writer.getArray('collected').push([new Y.Array<string>()]);
  writer.getArray<Y.Array<string>>('collected').get(0).push(['x']);
  writer.getArray('collected').delete(0, 1);
  forger.getText('t').insert(0, 'poison');
  return { honest: Y.encodeStateAsUpdate(writer), poison: Y.encodeStateAsUpdate(forger) };
}
