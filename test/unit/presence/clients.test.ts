import { describe, expect, it } from '@jest/globals';
import { isSameClients, mergeClients } from '../../../lib/presence/clients.ts';
import { MAX_CLIENT_IDS } from '../../../lib/protocol/index.ts';

describe('awareness client ids of a person', () => {
  it('are those of all connections, each once for a document', () => {
    const first = { clients: [{ docId: 'a', clientIds: [1, 2] }] };
    const second = {
      clients: [
        { docId: 'a', clientIds: [2, 3] },
        { docId: 'a', subdocId: 's', clientIds: [1] },
      ],
    };
    expect(mergeClients([first, second])).toEqual([
      { docId: 'a', clientIds: [1, 2, 3] },
      { docId: 'a', subdocId: 's', clientIds: [1] },
    ]);
  });

  it('are bounded, and those that were there first stay', () => {
    const connections = Array.from({ length: 400 }, (_, id) => ({
      clients: [{ docId: `${id}`, clientIds: [id] }],
    }));
    const ids = mergeClients(connections).flatMap(({ clientIds }) => clientIds);
    expect(ids).toEqual(Array.from({ length: MAX_CLIENT_IDS.person }, (_, id) => id));
  });

  it('are the same by document and id', () => {
    const ids = (docId: string, ...clientIds: number[]) => [{ docId, clientIds }];
    expect(isSameClients(ids('a', 1, 2), ids('a', 1, 2))).toBe(true);
    expect(isSameClients(ids('a', 1, 2), ids('a', 1))).toBe(false);
    expect(isSameClients(ids('a', 1), ids('b', 1))).toBe(false);
    expect(isSameClients(ids('a', 1), [{ docId: 'a', subdocId: 's', clientIds: [1] }])).toBe(false);
    expect(isSameClients(ids('a', 1), [])).toBe(false);
  });
});
