import * as Y from 'yjs';
import type { AckedUpdate, LogRecord, StoredRow } from '../../support/oracle/index.ts';

export const DOCUMENT = 't/room/doc';

export interface Edit {
  senderId: string;
  version: number;
  update: Uint8Array;
}

/** Two people write and delete; nothing goes wrong. */
export function cleanRun() {
  const edits: Edit[] = [];
  const docs = [1, 2].map((clientID) => {
    const doc = new Y.Doc({ guid: 'test' });
    doc.clientID = clientID;
    let version = 0;
    doc.on('update', (update: Uint8Array, origin: unknown) => {
      if (origin !== 'remote') edits.push({ senderId: `s${clientID}`, version: ++version, update });
    });
    return doc;
  });
  const [ann, bob] = docs as [Y.Doc, Y.Doc];
  const exchange = () =>
    edits.forEach(({ update }) => docs.forEach((doc) => Y.applyUpdate(doc, update, 'remote')));
  ann.getText('text').insert(0, 'hello world');
  exchange();
  bob.getText('text').insert(5, ' dear');
  ann.getMap('map').set('key', new Y.Array());
  exchange();
  bob.getText('text').delete(0, 5);
  (ann.getMap('map').get('key') as Y.Array<number>).push([1, 2]);
  exchange();
  ann.getMap('map').set('key', 'instead');
  exchange();
  return { edits, ann, bob };
}

/** The evidence of that run, each part a copy that a test may spoil. */
export function evidenceOf({ edits, ann, bob }: ReturnType<typeof cleanRun>) {
  const at = (offset: number) => ({ epoch: 1, partition: 0, offset });
  const key = ({ senderId, version }: Edit) => ({ document: DOCUMENT, generation: 1, senderId, version });
  // Offset 2 is a hole, and the first update came twice.
  const offsets = edits.map((_, index) => (index < 2 ? index : index + 1));
  const end = offsets.at(-1)! + 1;
  const acks: AckedUpdate[] = edits.map((edit, index) => ({
    ...key(edit),
    update: edit.update,
    position: { generation: 1, ...at(offsets[index]!) },
  }));
  const rows: StoredRow[] = edits.map((edit, index) => ({
    ...key(edit),
    ...at(offsets[index]!),
    payload: edit.update,
  }));
  rows.push({ ...key(edits[0]!), ...at(end), repeatOf: 0 });
  const log: LogRecord[] = edits.map((edit, index) => ({
    kind: 'update',
    ...key(edit),
    ...at(offsets[index]!),
    payload: edit.update,
  }));
  log.push({ kind: 'update', ...key(edits[0]!), ...at(end), payload: edits[0]!.update });
  const state = (source: string, doc: Y.Doc) => ({
    document: DOCUMENT,
    source,
    generation: 1,
    state: Y.encodeStateAsUpdate(doc),
  });
  const fresh = new Y.Doc({ guid: 'test' });
  for (const { update } of edits) Y.applyUpdate(fresh, update);
  return {
    acks,
    rows,
    log,
    states: [state('ann', ann), state('bob', bob), { ...state('fresh', fresh), isFresh: true }],
    quarantined: [],
    deliveries: [
      {
        client: 'ann',
        document: DOCUMENT,
        events: edits.flatMap((edit, index) => [
          {
            kind: 'entry' as const,
            position: { generation: 1, ...at(offsets[index]!) },
            previous: index === 0 ? -1 : offsets[index - 1]!,
            senderId: edit.senderId,
            version: edit.version,
          },
          { kind: 'at' as const, position: { generation: 1, ...at(offsets[index]!) } },
        ]),
      },
    ],
  };
}
