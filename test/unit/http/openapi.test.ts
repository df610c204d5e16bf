import { Validator } from '@seriousme/openapi-schema-validator';
import { describe, expect, it } from '@jest/globals';
import { APP_ERRORS } from '../../../lib/errors.ts';
import { API_ROUTES, OTHER_ROUTES } from '../../../lib/http/api-routes.ts';
import { openApiDocument } from '../../../lib/http/openapi.ts';
import { ApiDescription } from '../../support/api-description.ts';

const document = openApiDocument('1.2.3') as {
  info: { version: string };
  paths: Record<string, Record<string, { operationId: string; security: unknown[]; responses: object }>>;
};

describe('/openapi.json', () => {
  it('is a sound description in the terms of OpenAPI 3.1', async () => {
    const validator = new Validator();
    expect(await validator.validate(structuredClone(document) as never)).toMatchObject({ valid: true });
    expect(validator.version).toBe('3.1');
    expect(document.info.version).toBe('1.2.3');
    const broken = { ...structuredClone(document), paths: { 'no-slash': {} } };
    expect(await new Validator().validate(broken as never)).toMatchObject({ valid: false });
  });

  it('describes every route once, says who needs a token, and every error has a status of its own code', () => {
    const operations = Object.entries(document.paths).flatMap(([path, item]) =>
      Object.entries(item).map(([method, operation]) => ({
        ...operation,
        route: `${method.toUpperCase()} ${path}`,
      })),
    );
    const others = Object.keys(OTHER_ROUTES).filter((route) => route.includes(' /api/'));
    const routes = API_ROUTES.map(({ method, path }) => `${method.toUpperCase()} ${path}`);
    expect(operations.map(({ route }) => route).sort()).toEqual([...routes, ...others].sort());
    expect(new Set(operations.map(({ operationId }) => operationId)).size).toBe(operations.length);
    for (const { route, security } of operations.filter(({ route }) => OTHER_ROUTES[route] === 'signed-in'))
      expect([route, security]).toEqual([route, [{ accessToken: [] }]]);
    for (const { method, path, rule, status } of API_ROUTES) {
      const { security, responses } = document.paths[path]![method]!;
      expect(security.length).toBe(rule === 'anyone' ? 0 : 1);
      expect(Object.keys(responses)).toContain(String(status));
      expect('401' in responses).toBe(rule !== 'anyone');
    }
    expect(APP_ERRORS.UNAUTHENTICATED.status).toBe(401);
  });
});

describe('an answer that is not as described', () => {
  const description = new ApiDescription();
  const json = 'application/json; charset=utf-8';
  const board = '/api/boards/7d2cfeb4-6c8f-4f3b-9d7e-0d5c5f7c2a11/invites?page=1';
  const page = { rows: [], total: 0, page: 1, pageSize: 20, totalPages: 0 };

  it('is found out', () => {
    const check = (status: number, contentType: string, body: unknown) => () =>
      description.check('get', board, { status, contentType, body });
    expect(check(200, json, page)).not.toThrow();
    expect(check(200, json, { ...page, secret: 1 })).toThrow(/additional properties/);
    expect(check(200, json, { ...page, total: undefined })).toThrow(/not as described/);
    expect(check(202, json, page)).toThrow(/is not described/);
    expect(check(200, 'text/html', page)).toThrow(/not text\/html/);
    const problem = { type: 'about:blank', title: 'x', status: 404, code: 'LAST_OWNER', detail: 'x' };
    expect(check(404, 'application/problem+json', problem)).toThrow(/allowed values/);
  });

  it('as is a request', () => {
    const create = API_ROUTES.find(({ action }) => action === 'boards.create')!;
    expect(description.accepts(create, { name: 'x' })).toBe(true);
    for (const body of [{}, { name: '' }, { name: ' ' }, { name: 'x', other: 1 }, { name: 'x', id: 'y' }])
      expect(description.accepts(create, body)).toBe(false);
  });
});
