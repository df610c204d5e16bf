import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import type { ActionSchema, ServiceSchema } from 'moleculer';
import { declareActions, repetitionOf } from '../../lib/broker/actions.ts';

const FOLDER = join(import.meta.dirname, '../../services');

let actions: [name: string, action: ActionSchema][] = [];
beforeAll(async () => {
  const files = readdirSync(FOLDER).filter((file) => file.endsWith('.service.ts'));
  const schemas = await Promise.all(
    files.map(async (file) => ((await import(join(FOLDER, file))) as { default: ServiceSchema }).default),
  );
  expect(schemas.length).toBeGreaterThanOrEqual(4);
  actions = schemas.flatMap(({ name, actions: own = {} }) =>
    Object.entries(own)
      .filter(([, action]) => action !== false)
      .map(([action, schema]): [string, ActionSchema] => [`${name}.${action}`, schema as ActionSchema]),
  );
});

describe('the actions of all services', () => {
  it('say what a second run does: a request may run late, or twice', () => {
    expect(actions.length).toBeGreaterThanOrEqual(10);
    expect(actions.filter(([, action]) => repetitionOf(action) === undefined).map(([name]) => name)).toEqual(
      [],
    );
  });

  it('refuse params that they do not know', () => {
    const open = actions.filter(([, { params }]) => (params as { $$strict?: unknown }).$$strict !== true);
    expect(open.map(([name]) => name)).toEqual([]);
  });

  it('are named <plural noun>.<imperative>', () => {
    // A service may be called by the noun itself: `boards.list`, `boards.members.list`.
    const shape = /^([a-z]+\.[a-z][A-Za-z]*|[a-z]+s)\.[a-z][A-Za-z]*$/;
    expect(actions.map(([name]) => name).filter((name) => !shape.test(name))).toEqual([]);
  });
});

describe('declareActions', () => {
  const handler = () => undefined;
  it.each([
    ['says nothing', { params: { $$strict: true }, handler }],
    [
      'names a key that is no param',
      { params: { $$strict: true, id: 'string' }, repetition: { key: 'other' }, handler },
    ],
    ['takes unknown params', { params: { id: 'string' }, repetition: 'idempotent', handler }],
    ['has no params at all', { repetition: 'idempotent', handler }],
  ])('refuses an action that %s', (_, action) => {
    expect(() => declareActions({ 'things.get': action as never })).toThrow(/The action things.get/);
  });

  it('takes one with a key, and lets a mixin lose one', () => {
    const keyed = { params: { $$strict: true, id: 'string' }, repetition: { key: 'id' }, handler } as const;
    expect(Object.keys(declareActions({ 'things.make': keyed, addRoute: false }))).toEqual([
      'things.make',
      'addRoute',
    ]);
  });
});
