/** A pause that ends later than this much after its time was one in which the process did not run. */
const TOLERANCE_MS = 5;

/**
 * Polls until `condition` is truthy and returns its value; throws at the deadline with what was waited for. By how much
 * a pause between two looks was too long does not count: where the machine stands still, or has no time for this
 * process, what is waited for has none either.
 */
export async function waitFor<T>(
  condition: () => T | Promise<T>,
  options: { timeoutMs?: number; intervalMs?: number; what?: string } = {},
): Promise<NonNullable<T>> {
  const { timeoutMs = 10_000, intervalMs = 10, what = condition.toString() } = options;
  let deadline = performance.now() + timeoutMs;
  let failure: unknown;
  for (;;) {
    try {
      const value = await condition();
      if (value) return value as NonNullable<T>;
      failure = undefined;
    } catch (error) {
      failure = error;
    }
    const pausedAt = performance.now();
    if (pausedAt > deadline) {
      throw new Error(`Not within ${timeoutMs} ms: ${what}`, { cause: failure });
    }
    await new Promise((resolve) => setTimeout(resolve, intervalMs));
    deadline += Math.max(0, performance.now() - pausedAt - intervalMs - TOLERANCE_MS);
  }
}
