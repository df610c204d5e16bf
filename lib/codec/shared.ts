import type { Codec } from './port.ts';

const shared = new WeakMap<object, { codec: Codec; users: number }>();

/**
 * One codec for all who name the same owner (the services of one process share their threads).
 * It is closed when the last of them closes its own.
 */
export function shareCodec(owner: object, create: () => Codec): Codec {
  const entry = shared.get(owner) ?? { codec: create(), users: 0 };
  shared.set(owner, entry);
  entry.users++;
  let isOpen = true;
  return {
    ...entry.codec,
    async close() {
      if (!isOpen) return;
      isOpen = false;
      if (--entry.users > 0) return;
      shared.delete(owner);
      await entry.codec.close();
    },
  };
}
