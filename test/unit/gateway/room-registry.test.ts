import { describe, expect, it } from '@jest/globals';
import type { RoomMember } from '../../../lib/gateway/port.ts';
import { DefaultRoomRegistry } from '../../../lib/gateway/room-registry.ts';
import { documentKey, type DocumentId } from '../../../lib/protocol/index.ts';

const member = (id: DocumentId, size = 1): RoomMember => ({ id, key: documentKey(id), size });

describe('room registry', () => {
  it('finds documents by key and shows rooms with their documents and subscriptions', () => {
    const registry = new DefaultRoomRegistry<RoomMember>();
    const a = member({ tenantId: 't', roomId: 'r', docId: 'a' });
    registry.add(a);
    registry.add(member({ tenantId: 't', roomId: 'r', docId: 'a', subdocId: 's' }, 2));
    registry.add(member({ tenantId: 'other', roomId: 'r', docId: 'a' }));
    expect(registry.get(a.key)).toBe(a);
    expect(registry.rooms).toBe(2);
    expect(registry.inspect(1)).toEqual([
      {
        tenantId: 't',
        roomId: 'r',
        documents: [
          { docId: 'a', subscriptions: 1 },
          { docId: 'a', subdocId: 's', subscriptions: 2 },
        ],
      },
    ]);
  });

  it('calls its hooks once for each removal, also when a document is replaced', () => {
    const registry = new DefaultRoomRegistry<RoomMember>();
    const removed: RoomMember[] = [];
    const stop = registry.onRemove((gone) => void removed.push(gone));
    const [old, replacement] = [1, 2].map((size) => member({ tenantId: 't', roomId: 'r', docId: 'a' }, size));
    registry.add(old!);
    registry.add(replacement!);
    registry.remove(old!);
    expect(removed).toEqual([old]);
    registry.remove(replacement!);
    expect(removed).toEqual([old, replacement]);
    expect([registry.rooms, [...registry.members()]]).toEqual([0, []]);
    stop();
    registry.add(old!);
    registry.remove(old!);
    expect(removed).toHaveLength(2);
  });
});
