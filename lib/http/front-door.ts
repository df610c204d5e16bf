import type { IncomingMessage, ServerResponse } from 'node:http';
import cors from 'cors';
import helmet from 'helmet';
import type { Config } from '../config.ts';
import type { Logger } from '../log.ts';
import { requireAllowedPage } from './own-origin.ts';
import { sendProblem } from './problem.ts';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

const PREFLIGHT_SECONDS = 600;

/** The page of this project needs no more; the editor writes its style sheets into the page. */
const CONTENT_POLICY = {
  'default-src': ["'self'"],
  'style-src': ["'self'", "'unsafe-inline'"],
  'img-src': ["'self'", 'data:', 'https:'],
  'object-src': ["'none'"],
  'base-uri': ["'none'"],
  'frame-ancestors': ["'self'"],
};

export interface FrontDoorParts {
  config: Pick<Config, 'host' | 'publicUrl' | 'corsOrigins'>;
  logger: Logger;
}

/** What every request passes first: headers that protect the browser, and whose page may ask. */
export function createFrontDoor({ config, logger }: FrontDoorParts, handle: Handler): Handler {
  const isForAll = config.corsOrigins.includes('*');
  const protect = helmet({ contentSecurityPolicy: { useDefaults: false, directives: CONTENT_POLICY } });
  const share = cors({
    origin: isForAll ? '*' : true,
    // Cookies go only to origins that are named.
    credentials: !isForAll,
    methods: ['GET', 'POST', 'PATCH', 'DELETE'],
    allowedHeaders: ['authorization', 'content-type'],
    exposedHeaders: ['location', 'retry-after'],
    maxAge: PREFLIGHT_SECONDS,
  });
  return (request, response) => {
    protect(request, response, (failure) => {
      if (failure) return sendProblem(response, failure, logger);
      try {
        requireAllowedPage(request, config);
      } catch (error) {
        return sendProblem(response, error, logger);
      }
      // Its types are those of Express, of which it uses what Node has.
      share(request as never, response as never, () => handle(request, response));
    });
  };
}
