import { pino, type Logger as PinoLogger } from 'pino';

/** Message = a fixed phrase, data = fields; no document content, no tokens. */
export interface Logger {
  debug(fields: Record<string, unknown>, message: string): void;
  info(fields: Record<string, unknown>, message: string): void;
  warn(fields: Record<string, unknown>, message: string): void;
  error(fields: Record<string, unknown>, message: string): void;
  child(fields: Record<string, unknown>): Logger;
}

export function createLogger(level: string, fields: Record<string, unknown> = {}): PinoLogger {
  return pino({
    level,
    base: { ...fields },
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: ['token', '*.token'],
  });
}

const quiet = () => undefined;
/** For tests and tools that want no log. */
export const silentLogger: Logger = {
  debug: quiet,
  info: quiet,
  warn: quiet,
  error: quiet,
  child: () => silentLogger,
};
