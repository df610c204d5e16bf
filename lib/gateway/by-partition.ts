import type { TopicPartition } from '../stream/port.ts';
import { keyOf } from './follower-pool.ts';

/** Things by the partition that they use: there may be a partition for each room. */
export class ByPartition<T> {
  readonly #groups = new Map<string, Set<T>>();

  add(target: TopicPartition, item: T): void {
    const key = keyOf(target);
    const group = this.#groups.get(key);
    if (group) group.add(item);
    else this.#groups.set(key, new Set([item]));
  }

  delete(target: TopicPartition, item: T): void {
    const key = keyOf(target);
    const group = this.#groups.get(key);
    if (group?.delete(item) && group.size === 0) this.#groups.delete(key);
  }

  /** As they are now: the caller may add and delete meanwhile. */
  of(target: TopicPartition): readonly T[] {
    return [...(this.#groups.get(keyOf(target)) ?? [])];
  }
}
