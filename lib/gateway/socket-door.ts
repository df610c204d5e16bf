import { ServerResponse, STATUS_CODES, type IncomingMessage } from 'node:http';
import type { Config } from '../config.ts';
import { requireAllowedPage } from '../http/own-origin.ts';
import { problemOf, sendProblem } from '../http/problem.ts';
import type { Logger } from '../log.ts';

export interface SocketDoorParts {
  config: Pick<Config, 'host' | 'publicUrl' | 'corsOrigins'>;
  logger: Logger;
}

/** As engine.io calls it; an upgrade has something else than a response. */
type Middleware = (request: IncomingMessage, response: unknown, next: () => void) => void;

/**
 * Whose page may connect, as for HTTP. Each request is looked at, not the handshake alone: a browser names the page
 * with a POST and with an upgrade, and not with the GET that begins to poll.
 */
export function createSocketDoor({ config, logger }: SocketDoorParts): Middleware {
  return (request, response, next) => {
    try {
      requireAllowedPage(request, config);
    } catch (error) {
      // That is all it gets: engine.io hears no more of it.
      if (response instanceof ServerResponse) sendProblem(response, error, logger);
      else refuseUpgrade(request, error);
      return;
    }
    next();
  };
}

/** There is no response to an upgrade but what is written to the connection. */
function refuseUpgrade({ socket }: IncomingMessage, error: unknown): void {
  const problem = problemOf(error);
  const body = JSON.stringify(problem);
  const head = [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status] ?? ''}`,
    'Connection: close',
    'Content-Type: application/problem+json',
    `Content-Length: ${Buffer.byteLength(body)}`,
  ];
  socket.on('error', () => undefined); // who is refused may be gone already
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy());
}
