import { inspect } from 'node:util';
import type { Logger } from '../../lib/log.ts';

/** The beginning of a JWT, an address of the people of these tests, a cookie: what no log may hold in any test. */
const FORMS = /eyJ[\w-]{10}|@example\.test|set-cookie|ykafka[\w-]*=[\w-]{20}/i;

/** Lines of logs that hold what they must not, by its form alone; what else is secret in a test: known-secrets.ts. */
export class LogLeaks {
  readonly #found: string[] = [];

  look(line: string): void {
    const match = FORMS.exec(line);
    if (match) this.#found.push(line.slice(Math.max(0, match.index - 200), match.index + 20));
  }

  /** Throws when anything was found. */
  check(): void {
    const found = this.#found.splice(0);
    if (found.length > 0) throw new Error(`logs hold what they must not: ${found.slice(0, 5).join('\n')}`);
  }

  /** The same logger, whose lines are looked at (not those on `debug`, which are many). */
  watch(logger: Logger): Logger {
    const looking =
      (level: 'info' | 'warn' | 'error'): Logger['info'] =>
      (fields, message) => {
        this.look(`${message} ${inspect(fields, { depth: 8 })}`);
        logger[level](fields, message);
      };
    return {
      debug: (fields, message) => logger.debug(fields, message),
      info: looking('info'),
      warn: looking('warn'),
      error: looking('error'),
      child: (fields) => this.watch(logger.child(fields)),
    };
  }
}
