import { randomBytes, randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ActionParams } from '../accounts/params.ts';
import type { Principal } from '../accounts/principal.ts';
import type { TokenVerifier } from '../accounts/tokens.ts';
import { AppError } from '../errors.ts';
import { clientAddressOf } from '../gateway/client-address.ts';
import type { Logger } from '../log.ts';
import type { ApiRoute } from './api-routes.ts';
import { paramsOf } from './param-schema.ts';
import { sendProblem } from './problem.ts';
import { networkOf, type RequestLimit } from './request-limit.ts';

const BEARER = /^Bearer +([\w.~+/-]+=*) *$/i;
const JSON_TYPE = /^application\/json *(;|$)/i;
const TOKEN_BYTES = 32;

/** A request whose body and query have been read. */
export interface ParsedRequest {
  request: IncomingMessage;
  response: ServerResponse;
  path: Record<string, unknown>;
  query: Record<string, unknown>;
  body: unknown;
  /** Calls the action as this principal. */
  call(action: string, params: Record<string, unknown>, principal: Principal | undefined): Promise<unknown>;
}

export interface ApiParts {
  logger: Logger;
  verify: TokenVerifier;
  guesses: RequestLimit;
  /** Questions about who is on boards. */
  presence: RequestLimit;
  trustedProxyHops: number;
}

/** Answers a request to a route; rejects with nothing: errors are answered as well. */
export async function answerRoute(route: ApiRoute, parsed: ParsedRequest, parts: ApiParts): Promise<void> {
  const { request, response } = parsed;
  try {
    if (route.counted === 'guess')
      await parts.guesses.take(networkOf(clientAddressOf(request, parts.trustedProxyHops)));
    const principal = route.rule === 'anyone' ? undefined : await authenticate(request, parts.verify);
    if (route.counted === 'presence') await parts.presence.take(principal?.userId ?? '');
    const answer = await parsed.call(route.action, actionParams(route, parsed), principal);
    sendAnswer(route, response, answer);
  } catch (error) {
    sendProblem(response, error, parts.logger);
  }
}

/** Who has sent the request. Rejects with UNAUTHENTICATED without a token that proves it. */
export async function authenticate({ headers }: IncomingMessage, verify: TokenVerifier): Promise<Principal> {
  const token = BEARER.exec(headers.authorization ?? '')?.[1];
  if (token === undefined) throw new AppError('UNAUTHENTICATED');
  return verify(token);
}

/** Everything that the action gets, from where the route says, and nothing else. */
function actionParams(route: ApiRoute, parsed: ParsedRequest): Record<string, unknown> {
  const { path, query, body, rules } = paramsOf(route);
  const given = new Map<string, unknown>();
  take(given, parsed.query, { allowed: query, rules });
  if (body.length > 0) take(given, bodyOf(parsed), { allowed: body, rules });
  for (const name of path) given.set(name, parsed.path[name]);
  if (route.makes?.includes('id') && !given.has('id')) given.set('id', randomUUID());
  if (route.makes?.includes('token')) given.set('token', randomBytes(TOKEN_BYTES).toString('base64url'));
  return Object.fromEntries(given);
}

function take(
  given: Map<string, unknown>,
  source: Record<string, unknown>,
  { allowed, rules }: { allowed: readonly string[]; rules: ActionParams },
): void {
  for (const [name, value] of Object.entries(source)) {
    if (!allowed.includes(name)) throw badField(name, 'This field is not known here.');
    // The check of an optional param takes null for "not given".
    if (value === null && !rules[name]!.nullable) throw badField(name, 'This field cannot be null.');
    given.set(name, value);
  }
}

function bodyOf({ request, body }: ParsedRequest): Record<string, unknown> {
  const {
    'content-type': type = '',
    'content-length': length,
    'transfer-encoding': encoding,
  } = request.headers;
  const isEmpty = encoding === undefined && (length === undefined || length === '0');
  if (isEmpty) throw new AppError('BAD_INPUT', { message: 'A body is needed.' });
  if (!JSON_TYPE.test(type)) throw new AppError('UNSUPPORTED_MEDIA_TYPE');
  if (typeof body !== 'object' || body === null) return {};
  if (Array.isArray(body)) throw new AppError('BAD_INPUT', { message: 'The body must be a JSON object.' });
  return body as Record<string, unknown>;
}

function badField(field: string, message: string): AppError {
  return new AppError('BAD_INPUT', { message, data: { field } });
}

function sendAnswer(route: ApiRoute, response: ServerResponse, answer: unknown): void {
  response.setHeader('cache-control', 'no-store');
  if (route.location) {
    const fields = answer as Record<string, unknown>;
    const url = route.location.replace(/\{(\w+)\}/g, (_, name: string) =>
      encodeURIComponent(String(fields[name])),
    );
    response.setHeader('location', url);
  }
  if (!route.answer) {
    response.writeHead(route.status).end();
    return;
  }
  response
    .writeHead(route.status, { 'content-type': 'application/json; charset=utf-8' })
    .end(JSON.stringify(answer));
}
