import { Errors } from 'moleculer';
import { AppError, isAppError, type AppErrorType } from '../errors.ts';

/** Gives an error that came over the transporter its class back, so that callers see the same AppError everywhere. */
export class AppErrorRegenerator extends Errors.Regenerator {
  override restoreCustomError(plainError: Errors.PlainMoleculerError): Error {
    // The base class takes "undefined" as "not mine"; its published type leaves that out.
    if (!isAppError(plainError)) return undefined as unknown as Error;
    return new AppError(plainError.type as AppErrorType, {
      message: plainError.message,
      data: (plainError.data as Record<string, unknown> | undefined) ?? {},
    });
  }
}
