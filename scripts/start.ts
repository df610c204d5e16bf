import { offersLocalSignIn } from '../lib/config-accounts.ts';
import { loadConfig, type Config } from '../lib/config.ts';
import { isAppError } from '../lib/errors.ts';
import { createLogger } from '../lib/log.ts';
import { buildWeb } from './build-web.ts';
import { startEmbedded, type EmbeddedServer } from './lib/embedded.ts';

/** `npm start`: everything in one process, with nothing but Node. */
const STOP_LIMIT_MS = 15_000;

function explain(error: unknown): never {
  const text = isAppError(error)
    ? error.message
    : error instanceof Error
      ? (error.stack ?? error.message)
      : String(error);
  process.stderr.write(`\ny-kafka could not start.\n${text}\n`);
  process.exit(1);
}

function onSignals(server: EmbeddedServer): void {
  const stop = () => {
    process.stdout.write('\nStopping…\n');
    setTimeout(() => process.exit(1), STOP_LIMIT_MS).unref();
    server.stop().then(
      () => process.exit(0),
      (error: unknown) => explain(error),
    );
  };
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
}

async function main(config: Config): Promise<void> {
  await buildWeb();
  const server = await startEmbedded({ config, logger: createLogger(config.logLevel) });
  onSignals(server);
  const hint = offersLocalSignIn(config)
    ? 'Sign in there with a name; a private window is a second person.'
    : 'Open it in two browser tabs and type.';
  const internal = server.internalUrl === undefined ? '' : `  Other systems ask at ${server.internalUrl}.\n`;
  process.stdout.write(
    `\n  y-kafka is running: ${server.url}\n  ${hint} Data: ${config.dataDir}. Ctrl-C stops it.\n${internal}\n`,
  );
}

try {
  // A person reads this terminal: lifecycle chatter only on request.
  await main(loadConfig({ YKAFKA_LOG_LEVEL: 'warn', ...process.env }, { mode: 'embedded' }));
} catch (error) {
  explain(error);
}
