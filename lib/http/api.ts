import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { AppError } from '../errors.ts';
import { answerRoute, type ApiParts, type ParsedRequest } from './api-handler.ts';
import { API_ROUTES, OTHER_ROUTES, type ApiRoute } from './api-routes.ts';
import { openApiDocument } from './openapi.ts';

/** Of the body of a request. */
const MAX_BODY = '64kb';

/** What moleculer-web hangs on a request. */
interface WebRequest extends IncomingMessage {
  $params?: { params?: Record<string, unknown>; query?: Record<string, unknown>; body?: unknown };
  $ctx: {
    call(action: string, params: unknown, options: { meta: Record<string, unknown> }): Promise<unknown>;
  };
}

type WebHandler = (request: WebRequest, response: ServerResponse) => Promise<void>;

/** The routes of moleculer-web for the HTTP API and its description. */
export function apiWebRoutes(parts: ApiParts) {
  const aliases: Record<string, WebHandler> = {};
  for (const route of API_ROUTES) aliases[aliasOf(route)] = handlerOf(route, parts);
  const description = JSON.stringify(openApiDocument(versionOfPackage()));
  return [
    {
      path: '/api',
      bodyParsers: { json: { limit: MAX_BODY } },
      mergeParams: false,
      mappingPolicy: 'restrict',
      aliases,
    },
    {
      path: '/openapi.json',
      bodyParsers: false,
      mappingPolicy: 'restrict',
      aliases: {
        'GET /': (_request: IncomingMessage, response: ServerResponse) => {
          response.writeHead(200, { 'content-type': 'application/json; charset=utf-8' }).end(description);
        },
      },
    },
  ] as const;
}

/** What is said of a request that no route takes: whether another method would be taken there. */
export function notFound(request: Pick<IncomingMessage, 'url' | 'method'>): AppError {
  // moleculer-web shortens `url` on its way.
  const { url = '', originalUrl = url, method } = request as typeof request & { originalUrl?: string };
  const path = originalUrl.split('?')[0]!.replace(/(?<=.)\/$/, '');
  const exact = KNOWN.filter((route) => route.path === path);
  const here = (exact.length > 0 ? exact : KNOWN.filter((route) => patternOf(route).test(path))).map(
    (route) => route.method,
  );
  if (here.length === 0 || here.includes(method ?? '')) return new AppError('NOT_FOUND');
  return new AppError('METHOD_NOT_ALLOWED', { data: { allow: here.join(', ') } });
}

/** Whether a file of the page may answer: below the routes moleculer-web would look for one with the rest of the path. */
export function isOfPage(request: Pick<IncomingMessage, 'url'>): boolean {
  const { url = '', originalUrl = url } = request as typeof request & { originalUrl?: string };
  return !/^\/(api|health|metrics|openapi\.json)([/?]|$)/.test(originalUrl);
}

/** Every route of the gateway. */
const KNOWN: readonly { method: string; path: string }[] = [
  ...API_ROUTES.map(({ method, path }) => ({ method: method.toUpperCase(), path })),
  ...Object.keys(OTHER_ROUTES).map((route) => {
    const [method = '', path = ''] = route.split(' ');
    return { method, path };
  }),
];

function handlerOf(route: ApiRoute, parts: ApiParts): WebHandler {
  return (request, response) => {
    const { params = {}, query = {}, body } = request.$params ?? {};
    const call: ParsedRequest['call'] = (action, given, principal) =>
      request.$ctx.call(action, given, { meta: principal ? { principal } : {} });
    return answerRoute(route, { request, response, path: params, query, body, call }, parts);
  };
}

/** As moleculer-web writes it, below `/api`. */
function aliasOf({ method, path }: ApiRoute): string {
  return `${method.toUpperCase()} ${path.replace(/^\/api\//, '').replace(/\{(\w+)\}/g, ':$1')}`;
}

function patternOf({ path }: { path: string }): RegExp {
  return new RegExp(`^${path.replace(/\{\w+\}/g, '[^/]+')}$`);
}

function versionOfPackage(): string {
  const file = readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8');
  return (JSON.parse(file) as { version: string }).version;
}
