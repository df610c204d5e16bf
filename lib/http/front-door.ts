import type { IncomingMessage, ServerResponse } from 'node:http';
import cors from 'cors';
import helmet from 'helmet';
import type { Config } from '../config.ts';
import { AppError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { isAllowedOrigin } from './origins.ts';
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

/** What every request passes first: headers that protect the browser, and whose page may ask (`CORS_ORIGINS`). */
export function createFrontDoor(
  { config: { corsOrigins }, logger }: { config: Pick<Config, 'corsOrigins'>; logger: Logger },
  handle: Handler,
): Handler {
  const isForAll = corsOrigins.includes('*');
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
      if (!isAllowedOrigin(request, corsOrigins)) {
        const message = 'Pages of this origin may not ask here.';
        return sendProblem(response, new AppError('FORBIDDEN', { message }), logger);
      }
      // Its types are those of Express, of which it uses what Node has.
      share(request as never, response as never, () => handle(request, response));
    });
  };
}
