import { ACTION_PARAMS, type ActionParams, type ParamRule } from '../accounts/params.ts';
import { APP_ERRORS, type AppErrorType } from '../errors.ts';
import { API_ROUTES, type ApiRoute } from './api-routes.ts';
import { AUTH_OPERATIONS, type AuthOperation } from './auth-openapi.ts';
import { ANSWER_SCHEMAS, PROBLEM_SCHEMA } from './api-schemas.ts';
import { paramsOf, schemaOf } from './param-schema.ts';

type Json = Record<string, unknown>;

/** Errors of every route. */
const ALWAYS: readonly AppErrorType[] = [
  'MALFORMED',
  'FORBIDDEN',
  'NOT_FOUND',
  'BAD_INPUT',
  'SERVICE_UNAVAILABLE',
  'INTERNAL',
];
const AUTH_TAG = 'auth';
const WITH_BODY: readonly AppErrorType[] = ['PAYLOAD_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE'];

/** The description of the HTTP API (OpenAPI 3.1), made from its routes. */
export function openApiDocument(version: string): Json {
  const paths: Record<string, Json> = {};
  for (const route of API_ROUTES) (paths[route.path] ??= {})[route.method] = operationOf(route);
  for (const operation of AUTH_OPERATIONS)
    (paths[operation.path] ??= {})[operation.method] = authOperationOf(operation);
  return {
    openapi: '3.1.0',
    info: {
      title: 'y-kafka',
      version,
      description:
        'Sign-in, workspaces, boards, members and invites. Errors are application/problem+json with a stable `code`.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    tags: [...new Set([...API_ROUTES.map(tagOf), AUTH_TAG])].map((name) => ({ name })),
    paths,
    components: {
      schemas: { ...ANSWER_SCHEMAS, Problem: PROBLEM_SCHEMA },
      securitySchemes: {
        accessToken: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
        session: { type: 'apiKey', in: 'cookie', name: 'ykafka_session' },
      },
    },
  };
}

function operationOf(route: ApiRoute): Json {
  const { path, query, rules } = paramsOf(route);
  const parameters = [
    ...path.map((name) => ({ name, in: 'path', required: true, schema: schemaOf(rules[name]!) })),
    ...query.map((name) => queryParameter(name, rules[name]!)),
  ];
  const body = bodyOf(route);
  const permission = /[.]/.test(route.rule) ? ` Permission: \`${route.rule}\`.` : '';
  return {
    operationId: route.action,
    summary: route.summary,
    description: `${route.summary}.${permission}`,
    tags: [tagOf(route)],
    security: route.rule === 'anyone' ? [] : [{ accessToken: [] }],
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(body ? { requestBody: { required: true, content: { 'application/json': { schema: body } } } } : {}),
    responses: { [route.status]: answerOf(route), ...problemsOf(codesOf(route)) },
  };
}

function queryParameter(name: string, rule: ParamRule): Json {
  return { name, in: 'query', required: false, schema: schemaOf(rule) };
}

function bodyOf(route: ApiRoute): Json | undefined {
  const { body, rules } = paramsOf(route);
  if (body.length === 0) return undefined;
  const required = body.filter((name) => !rules[name]!.optional && !route.makes?.includes(name as 'id'));
  return {
    type: 'object',
    properties: Object.fromEntries(body.map((name) => [name, schemaOf(rules[name]!)])),
    ...(required.length > 0 ? { required } : {}),
    additionalProperties: false,
    ...route.bodyRule,
  };
}

function answerOf({ answer, summary, location }: ApiRoute): Json {
  if (!answer) return { description: 'Done.' };
  return {
    description: summary,
    ...(location ? { headers: { Location: { schema: { type: 'string' }, description: 'Its URL.' } } } : {}),
    content: { 'application/json': { schema: { $ref: `#/components/schemas/${answer}` } } },
  };
}

function codesOf(route: ApiRoute): Set<AppErrorType> {
  const codes = new Set<AppErrorType>([...ALWAYS, ...(route.errors ?? [])]);
  if (route.rule !== 'anyone') codes.add('UNAUTHENTICATED');
  if (route.rule.startsWith('workspace.')) codes.add('WORKSPACE_NOT_FOUND');
  if (route.rule.startsWith('board.')) codes.add('BOARD_NOT_FOUND');
  if (route.counted) codes.add('RATE_LIMITED');
  if (bodyOf(route)) for (const code of WITH_BODY) codes.add(code);
  return codes;
}

/** By status: the codes that it may have. */
function problemsOf(codes: Iterable<AppErrorType>, more: Json = {}): Json {
  const byStatus: Record<number, AppErrorType[]> = {};
  for (const code of codes) (byStatus[APP_ERRORS[code].status] ??= []).push(code);
  return Object.fromEntries(
    Object.entries(byStatus).map(([status, found]) => [
      status,
      {
        description: found.map((code) => `\`${code}\`: ${APP_ERRORS[code].message}`).join('\n\n'),
        content: {
          'application/problem+json': {
            schema: {
              allOf: [{ $ref: '#/components/schemas/Problem' }, { properties: { code: { enum: found } } }],
            },
          },
          ...more,
        },
      },
    ]),
  );
}

function authOperationOf(operation: AuthOperation): Json {
  const { path, query = {}, list, answer, done, redirect, proof } = operation;
  const listParams: ActionParams = list ? ACTION_PARAMS[list] : {};
  const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!);
  const parameters = [
    ...names.map((name) => {
      const format = name.endsWith('Id') ? { format: 'uuid' } : {};
      return { name, in: 'path', required: true, schema: { type: 'string', ...format } };
    }),
    ...Object.entries(query).map(([name, description]) => {
      return { name, in: 'query', description, schema: { type: 'string' } };
    }),
    ...Object.entries(listParams).map(([name, rule]) => queryParameter(name, rule)),
  ];
  const codes = new Set<AppErrorType>([...ALWAYS, ...(operation.errors ?? [])]);
  if (proof) codes.add('UNAUTHENTICATED');
  const content = { 'application/json': { schema: answer } };
  return {
    operationId: operation.operationId,
    summary: operation.summary,
    tags: [AUTH_TAG],
    security: proof ? [{ [proof]: [] }] : [],
    ...(parameters.length > 0 ? { parameters } : {}),
    responses: {
      ...(answer ? { 200: { description: done, content } } : {}),
      ...(redirect ? { 302: { description: redirect } } : {}),
      ...(answer || redirect ? {} : { 204: { description: done } }),
      // A browser that stands here is shown a page.
      ...problemsOf(codes, redirect ? { 'text/html': { schema: { type: 'string' } } } : {}),
    },
  };
}

function tagOf({ action }: ApiRoute): string {
  return action.split('.')[0]!;
}
