import { ACTION_PARAMS, type ActionParams, type ParamRule } from '../accounts/params.ts';
import { pathParams, type ApiRoute } from './api-routes.ts';

/** Where the params of a route's action come from. */
export interface RouteParams {
  path: readonly string[];
  query: readonly string[];
  body: readonly string[];
  rules: ActionParams;
}

/** What is not in the path is asked by the query of a GET, and by the body of a POST or PATCH. */
export function paramsOf(route: Pick<ApiRoute, 'method' | 'path' | 'action' | 'makes'>): RouteParams {
  const rules: ActionParams = ACTION_PARAMS[route.action];
  const path = pathParams(route);
  const isMade = (name: string) => name === 'token' && route.makes?.includes('token');
  const rest = Object.keys(rules).filter((name) => !path.includes(name) && !isMade(name));
  const isQuery = route.method === 'get';
  return { path, query: isQuery ? rest : [], body: isQuery ? [] : rest, rules };
}

/** A param as JSON Schema (2020-12). */
export function schemaOf(rule: ParamRule): Record<string, unknown> {
  const described = rule.description === undefined ? {} : { description: rule.description };
  const type = (name: string) => (rule.nullable ? [name, 'null'] : name);
  switch (rule.type) {
    case 'string': {
      const format = rule.format === undefined ? {} : { format: rule.format };
      return { type: type('string'), ...format, pattern: rule.pattern, ...described };
    }
    case 'number':
      return { type: type('integer'), minimum: rule.min, maximum: rule.max, ...described };
    case 'enum':
      return { type: 'string', enum: rule.values, ...described };
  }
}
