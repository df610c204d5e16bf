import type { DocumentKey } from '../protocol/ids.ts';
import type { RoomMember, RoomRegistry, RoomView } from './port.ts';

/** The registry in memory. */
export class DefaultRoomRegistry<Member extends RoomMember> implements RoomRegistry<Member> {
  readonly #members = new Map<DocumentKey, Member>();
  readonly #rooms = new Map<string, Set<Member>>();
  readonly #hooks = new Set<(member: Member) => void>();

  get(key: DocumentKey): Member | undefined {
    return this.#members.get(key);
  }

  get rooms(): number {
    return this.#rooms.size;
  }

  add(member: Member): void {
    const known = this.#members.get(member.key);
    if (known) this.remove(known);
    this.#members.set(member.key, member);
    const room = roomKey(member);
    const members = this.#rooms.get(room);
    if (members) members.add(member);
    else this.#rooms.set(room, new Set([member]));
  }

  remove(member: Member): void {
    if (this.#members.get(member.key) !== member) return;
    this.#members.delete(member.key);
    const room = roomKey(member);
    const members = this.#rooms.get(room);
    members?.delete(member);
    if (members?.size === 0) this.#rooms.delete(room);
    for (const hook of this.#hooks) hook(member);
  }

  onRemove(hook: (member: Member) => void): () => void {
    this.#hooks.add(hook);
    return () => void this.#hooks.delete(hook);
  }

  members(): IterableIterator<Member> {
    return this.#members.values();
  }

  inspect(limit: number): RoomView[] {
    const views: RoomView[] = [];
    for (const members of this.#rooms.values()) {
      if (views.length >= limit) break;
      const [first] = members;
      if (!first) continue;
      views.push({
        tenantId: first.id.tenantId,
        roomId: first.id.roomId,
        documents: [...members].map(({ id, size }) => ({
          docId: id.docId,
          ...(id.subdocId === undefined ? {} : { subdocId: id.subdocId }),
          subscriptions: size,
        })),
      });
    }
    return views;
  }
}

function roomKey({ id }: RoomMember): string {
  return `${encodeURIComponent(id.tenantId)}/${encodeURIComponent(id.roomId)}`;
}
