import fc from 'fast-check';
import { ACTION_PARAMS } from '../../lib/accounts/params.ts';
import { AUTH_OPERATIONS, type AuthOperation } from '../../lib/http/auth-openapi.ts';
import type { ApiClient } from './api-client.ts';
import { partOf, STRANGE, wellFormed } from './api-fuzz.ts';

/** What is right somewhere in the routes of sign-in. */
export interface AuthWorld {
  url: string;
  /** An account with a session. */
  userId: string;
  sessionId: string;
  /** In the cookie of a session. */
  sessionToken: string;
}

export interface FuzzedAuthRequest {
  operation: AuthOperation;
  path: Record<string, string>;
  query: [string, string][];
  headers: Record<string, string>;
  as: string | undefined;
  /** Begins a sign-in before, whose state and cookie are used. */
  isBegun: boolean;
}

const ACCEPTED = ['text/html', 'application/json', '*/*', ''];

/** Requests to every route of sign-in: right ones, nearly right ones, and anything at all. */
export function fuzzedAuthRequests(world: AuthWorld): fc.Arbitrary<FuzzedAuthRequest> {
  const known: Record<string, fc.Arbitrary<string>> = {
    provider: fc.constantFrom('local', 'google', 'me'),
    sessionId: fc.oneof(fc.uuid(), fc.constant(world.sessionId)),
    returnTo: fc.constantFrom('/', '/x?y#z', world.url, 'https://evil.test/', '//evil.test', 'javascript:1'),
    state: fc.stringMatching(/^[\w-]{43}$/),
    code: fc.stringMatching(/^[\w-]{10,60}$/),
    page: fc.integer({ min: 0, max: 9 }).map(String),
    pageSize: fc.integer({ min: 0, max: 200 }).map(String),
    sort: fc.constantFrom('createdAt', '-refreshedAt', 'token'),
    name: fc.constantFrom('Ada', 'ada@example.test', '<b>', ' '),
  };
  const value = (name: string) => fc.oneof({ weight: 4, arbitrary: known[name] ?? STRANGE }, STRANGE);
  const headers = fc.record(
    {
      origin: fc.oneof(fc.constantFrom(world.url, 'https://evil.test', 'null'), STRANGE),
      accept: fc.oneof(fc.constantFrom(...ACCEPTED), STRANGE),
      cookie: fc.oneof(
        fc.constant(`ykafka_session=${world.sessionToken}`),
        STRANGE.map((text) => `ykafka_session=${text}`),
        STRANGE,
      ),
      authorization: fc.oneof(
        STRANGE.map((text) => `Bearer ${text}`),
        STRANGE,
      ),
    },
    { requiredKeys: [] },
  );
  return fc.oneof(
    ...AUTH_OPERATIONS.map((operation) => {
      const inPath = [...operation.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!);
      const listed = operation.list ? Object.keys(ACTION_PARAMS[operation.list]) : [];
      const inQuery = [...Object.keys(operation.query ?? {}), ...listed, 'name'];
      return fc.record({
        operation: fc.constant(operation),
        path: fc.record(Object.fromEntries(inPath.map((name) => [name, value(name)]))) as fc.Arbitrary<
          Record<string, string>
        >,
        query: fc
          .tuple(
            fc.record(Object.fromEntries(inQuery.map((name) => [name, value(name)])), { requiredKeys: [] }),
            fc.array(fc.tuple(STRANGE, STRANGE), { maxLength: 2 }),
          )
          .map(([own, more]) => [...(Object.entries(own) as [string, string][]), ...more]),
        headers: headers as fc.Arbitrary<Record<string, string>>,
        as: fc.constantFrom(world.userId, undefined),
        isBegun: fc.boolean(),
      });
    }),
  );
}

/** Sends it; the client holds the answer against the description. Throws when the server is at fault. */
export async function sendFuzzedAuth(api: ApiClient, request: FuzzedAuthRequest): Promise<number> {
  const { operation, path, as } = request;
  const query = [...request.query];
  const headers: Record<string, string> = {};
  for (const [name, text] of Object.entries(request.headers)) headers[name] = headerOf(text);
  // Whoever has signed in proves it by that alone.
  if (as !== undefined) delete headers.authorization;
  if (request.isBegun && operation.path.endsWith('/callback')) {
    const begun = await api.ask('get', '/api/auth/local');
    const state = new URL(begun.headers.get('location')!).searchParams.get('state')!;
    query.unshift(['state', state]);
    headers.cookie = begun.headers.getSetCookie()[0]!.split(';')[0]!;
  }
  const url = operation.path.replace(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(partOf(wellFormed(path[name]!))),
  );
  const search = query
    .map((pair) => pair.map((part) => encodeURIComponent(wellFormed(part))).join('='))
    .join('&');
  const { status } = await api.ask(operation.method, search === '' ? url : `${url}?${search}`, {
    as,
    headers,
  });
  if (status >= 500) throw new Error(`${operation.method} ${url} answers ${status}`);
  return status;
}

/** What a client can send in a header at all. */
function headerOf(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '').trim();
}
