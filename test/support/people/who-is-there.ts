import type { SignedInPerson } from '../signed-in.ts';
import { waitFor } from '../wait.ts';

/** People on a board as the API of the person's gateway tells her; the status when it tells nothing. */
export async function whoIsThere(person: SignedInPerson, boardId: string): Promise<string[] | number> {
  const { status, body } = await person.api('GET', `/api/boards/${boardId}/presence?pageSize=100`);
  if (status !== 200) return status;
  return (body.rows as { userId: string }[]).map(({ userId }) => userId);
}

/** Waits until the API names exactly these, and says how long that took; 503 is no answer. */
export async function areThere(
  person: SignedInPerson,
  boardId: string,
  userIds: readonly string[],
): Promise<number> {
  const begun = performance.now();
  const wanted = [...userIds].sort().join();
  let last: string[] | number = [];
  await waitFor(
    async () => {
      last = await whoIsThere(person, boardId);
      if (typeof last === 'number' && last !== 503) throw new Error(`presence of a board: ${last}`);
      return Array.isArray(last) && last.sort().join() === wanted;
    },
    { timeoutMs: 60_000, intervalMs: 100, what: `${userIds.length} people there by the API` },
  );
  return performance.now() - begun;
}
