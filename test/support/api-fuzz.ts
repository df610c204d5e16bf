import fc from 'fast-check';
import { API_ROUTES, type ApiRoute } from '../../lib/http/api-routes.ts';
import { paramsOf } from '../../lib/http/param-schema.ts';
import type { ParamRule } from '../../lib/accounts/params.ts';
import type { ApiClient } from './api-client.ts';
import type { BoardWorld, People } from './board-world.ts';

/** What a request is made of. */
export interface FuzzedRequest {
  route: ApiRoute;
  path: Record<string, string>;
  query: [string, string][];
  body: unknown;
  as: string | undefined;
}

/** Texts that somebody may send anywhere. */
export const STRANGE = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 200 }),
  fc.constantFrom(
    '',
    ' ',
    '\u0000',
    '\ud800',
    '\u202e',
    '%',
    '%00',
    '..',
    '../..',
    "' or 1=1 --",
    '{}',
    'null',
    'NaN',
  ),
  fc.constantFrom('-1', '0', '1e309', '9007199254740993', '0x10', 'a'.repeat(5_000), '💥'.repeat(60)),
  fc.constantFrom('2026-02-31T00:00:00Z', '9999-12-31T23:59:59.999999999+23:59', '0000-01-01T00:00:00Z'),
);

/** Requests to every route: right ones, nearly right ones, and anything at all. */
export function fuzzedRequests(world: BoardWorld, people: People): fc.Arbitrary<FuzzedRequest> {
  const ids = [world.workspaceId, world.boardId, world.inviteId, ...Object.values(people)];
  const known = (name: string, rule: ParamRule): fc.Arbitrary<unknown> => {
    if (name in world) return fc.constant(world[name as keyof BoardWorld]);
    if (rule.type === 'enum') return fc.constantFrom(...rule.values);
    if (rule.type === 'number') return fc.integer({ min: rule.min, max: rule.max });
    if (rule.format === 'uuid') return fc.oneof(fc.uuid(), fc.constantFrom(...ids));
    if (rule.format === 'date-time')
      return fc.date({ noInvalidDate: true }).map((date) => date.toISOString());
    return name === 'thumbnailUrl' ? fc.webUrl() : fc.string({ minLength: 1, maxLength: 100 });
  };
  const value = (name: string, rule: ParamRule) =>
    fc.oneof(
      { weight: 4, arbitrary: known(name, rule) },
      { weight: 1, arbitrary: fc.oneof(STRANGE, fc.jsonValue()) },
    );

  const requestTo = (route: ApiRoute): fc.Arbitrary<FuzzedRequest> => {
    const { path, query, body, rules } = paramsOf(route);
    const fields = (names: readonly string[]) =>
      fc.record(Object.fromEntries(names.map((name) => [name, value(name, rules[name]!)])), {
        requiredKeys: [],
      });
    const text = (name: string) =>
      fc.oneof({ weight: 9, arbitrary: known(name, rules[name]!) }, STRANGE).map(String);
    return fc.record({
      route: fc.constant(route),
      path: fc.record(Object.fromEntries(path.map((name) => [name, text(name)]))) as fc.Arbitrary<
        Record<string, string>
      >,
      query: fc
        .tuple(fields(query), fc.array(fc.tuple(STRANGE, STRANGE), { maxLength: 1 }))
        .map(([own, more]) => [
          ...Object.entries(own).map(([name, given]): [string, string] => [name, String(given)]),
          ...more,
        ]),
      body:
        body.length === 0
          ? fc.constant(undefined)
          : fc.oneof({ weight: 6, arbitrary: fields(body) }, fc.jsonValue(), STRANGE),
      as: fc.oneof(
        { weight: 9, arbitrary: fc.constantFrom(...Object.values(people)) },
        fc.constant(undefined),
      ),
    });
  };
  return fc.oneof(...API_ROUTES.map(requestTo));
}

/** Sends it; the client holds the answer against the description. Throws when the server is at fault. */
export async function sendFuzzed(
  api: ApiClient,
  { route, path, query, body, as }: FuzzedRequest,
): Promise<number> {
  const url = route.path.replace(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(partOf(wellFormed(path[name]!))),
  );
  const search = query
    .map((pair) => pair.map((part) => encodeURIComponent(wellFormed(part))).join('='))
    .join('&');
  // A path that is not this route's (an empty part) is one more kind of bad request.
  const { status } = await api.ask(route.method, search === '' ? url : `${url}?${search}`, { as, body });
  if (status >= 500) throw new Error(`${route.method} ${url} answers ${status}`);
  return status;
}

/** Dots alone are taken away by whoever writes the URL: the request would be one to another route. */
export function partOf(text: string): string {
  return text === '.' || text === '..' ? `${text}-` : text;
}

/** Half a character cannot be written into a URL. */
export function wellFormed(text: string): string {
  return (text as string & { toWellFormed(): string }).toWellFormed();
}
