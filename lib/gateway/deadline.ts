import type { Clock } from '../clock.ts';
import { AppError } from '../errors.ts';

/** The promise's outcome, or SERVICE_UNAVAILABLE after the limit; a later outcome is dropped. */
export function withDeadline<T>(clock: Clock, limitMs: number, promise: Promise<T>): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const timer = clock.setTimeout(
      () => reject(new AppError('SERVICE_UNAVAILABLE', { message: 'The answer took too long.' })),
      limitMs,
    );
    promise.then(
      (value) => {
        timer.cancel();
        resolve(value);
      },
      (error: unknown) => {
        timer.cancel();
        reject(error as Error);
      },
    );
  });
}
